//! A region for tests: its Redis, which may die and come back, and caches in front of a scripted origin.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use axum::response::IntoResponse;
use clap::Parser;
use serde_json::Value;
use storefront_edge::Config;

use crate::scripted::{Asked, Edge, Scripted};

pub(crate) const TOKEN: &str = "a-token-of-the-tests";

/// The name that clients use.
const HOST: &str = "shop.example";

fn token_of(folder: &tempfile::TempDir) -> String {
    folder.path().join("token").display().to_string()
}

pub(crate) fn scratch() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
    folder
}

/// `/a` has the tag `tag-a`; each answer is another one.
pub(crate) async fn origin() -> Scripted {
    let nth = AtomicU64::new(0);
    Scripted::start(move |asked: Asked| {
        let nth = nth.fetch_add(1, Ordering::SeqCst);
        let tag = format!("tag-{}", asked.path.trim_start_matches('/'));
        let headers = [
            ("cache-control", "max-age=600, stale-if-error=600".to_owned()),
            ("surrogate-key", tag),
            ("etag", format!("\"{nth}\"")),
        ];
        std::future::ready((headers, format!("answer {nth}")).into_response())
    })
    .await
}

/// A Redis of its own.
pub(crate) struct RegionRedis {
    pub(crate) region: &'static str,
    folder: PathBuf,
    server: backing_servers::Redis,
    edges: AtomicUsize,
}

impl RegionRedis {
    pub(crate) fn start(folder: &tempfile::TempDir, region: &'static str) -> Self {
        backing_servers::ensure_installed(|text| eprintln!("{text}")).unwrap();
        let folder = folder.path().join(format!("redis-{region}"));
        let server = run_redis(&folder, backing_servers::free_port().unwrap());
        Self { region, folder, server, edges: AtomicUsize::new(0) }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// One edge more follows, and has made everything stale for what it may have missed before.
    async fn joined(&self) {
        let edges = 1 + self.edges.fetch_add(1, Ordering::SeqCst);
        let following = || self.cli(&["CLIENT", "LIST"]).matches("cmd=xread").count();
        eventually_in("an edge follows", 20, async || !self.is_up() || following() == edges).await;
    }

    /// An answer was written here.
    pub(crate) async fn has(&self, path: &str) {
        let key = format!("edge:v1:rfc:{HOST}|{path}");
        eventually_in(&format!("{path} is written"), 10, async || self.cli(&["EXISTS", &key]).trim() == "1").await;
    }

    fn is_up(&self) -> bool {
        self.cli(&["PING"]).contains("PONG")
    }

    pub(crate) fn kill(&mut self) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
    }

    /// At the same port, with what its log has.
    pub(crate) fn restart(&mut self) {
        self.server = run_redis(&self.folder, self.server.port);
    }

    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.server.port.to_string()]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for RegionRedis {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.server.child.kill();
        let _ = self.server.child.wait();
    }
}

fn run_redis(folder: &Path, port: u16) -> backing_servers::Redis {
    backing_servers::Redis::start(folder, port, &folder.with_extension("log")).unwrap()
}

pub(crate) struct Got {
    pub(crate) code: u16,
    /// `Cache-Status`
    pub(crate) status: String,
    pub(crate) body: String,
}

impl Got {
    /// From the region's Redis.
    pub(crate) fn is_second(&self) -> bool {
        self.status.contains("; hit") && self.status.contains("; detail=l2")
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.status.contains("; hit")
    }
}

/// An edge with `--origin`.
pub(crate) struct Cache {
    edge: Edge,
}

impl Cache {
    /// In a region, with the token, told of every region's Redis.
    pub(crate) async fn start(folder: &tempfile::TempDir, origin: &Scripted, region: &str, all: &[&RegionRedis]) -> Self {
        let list: Vec<String> = all.iter().map(|redis| format!("{}={}", redis.region, redis.url())).collect();
        match all.iter().find(|redis| redis.region == region) {
            Some(own) => Self::start_told(folder, origin, own, &list.join(",")).await,
            None => Self::start_with(origin, &["--admin-token-file", &token_of(folder), "--region", region]).await,
        }
    }

    /// In the region of this Redis, told of these.
    pub(crate) async fn start_told(folder: &tempfile::TempDir, origin: &Scripted, own: &RegionRedis, all: &str) -> Self {
        let (token, url) = (token_of(folder), own.url());
        let more = ["--admin-token-file", &token, "--region", own.region, "--purge-redis", all, "--redis", &url];
        let edge = Self::start_with(origin, &more).await;
        own.joined().await;
        edge
    }

    pub(crate) async fn start_with(origin: &Scripted, more: &[&str]) -> Self {
        let origin = format!("http://{}", origin.address);
        Self { edge: Edge::running(Config::parse_from(["edge", "--origin", &origin].iter().chain(more))).await }
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        let answer = self.edge.http.get(format!("{}{path}", self.edge.base)).header("host", HOST).send().await.unwrap();
        let status = answer.headers().get("cache-status").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        // Only what was taken to its end is kept.
        Got { code: answer.status().as_u16(), status, body: answer.text().await.unwrap() }
    }

    pub(crate) async fn post(&self, path: &str) -> u16 {
        let answer = self.edge.http.post(format!("{}{path}", self.edge.base)).header("host", HOST).send().await.unwrap();
        answer.status().as_u16()
    }

    async fn is_kept(&self, path: &str) -> bool {
        self.get(path).await.is_hit()
    }

    /// Until it is kept and fresh.
    pub(crate) async fn warm(&self, path: &str) {
        eventually_in(&format!("{path} is kept"), 10, async || self.is_kept(path).await).await;
    }

    pub(crate) async fn purge(&self, order: &Value) -> (u16, Value) {
        self.purge_as(&format!("Bearer {TOKEN}"), order.to_string()).await
    }

    pub(crate) async fn purge_as(&self, authorization: &str, body: String) -> (u16, Value) {
        let request =
            self.edge.http.post(format!("{}/admin/v1/purge", self.edge.admin)).header("content-type", "application/json");
        let answer = request.header("authorization", authorization).body(body).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// Of all edges of this process.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        self.edge.metric(name, "").await
    }
}

pub(crate) async fn eventually_in(what: &str, seconds: u64, mut ask: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < Duration::from_secs(seconds), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
