//! An edge in front of scripted services: what they answer is up to the test, and what they were asked is kept.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use clap::Parser;
use http::{HeaderMap, Method, StatusCode};
use storefront_edge::{Config, run};
use storefront_service::Listeners;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;
type Script = Arc<dyn Fn(Asked) -> Answering + Send + Sync>;

/// A service that answers as it is told.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    pub(crate) async fn start<F>(script: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script: Script = Arc::new(move |asked| Box::pin(script(asked)));
        let service = Self { address, asked: Arc::default(), script: Arc::new(Mutex::new(script)) };
        let answering = service.clone();
        let routes = Router::new().fallback(move |request: Request| {
            let asked = Asked {
                method: request.method().clone(),
                path: request.uri().path_and_query().unwrap().to_string(),
                headers: request.headers().clone(),
            };
            answering.asked.lock().unwrap().push(asked.clone());
            let script = answering.script.lock().unwrap().clone();
            script(asked)
        });
        tokio::spawn(async move { axum::serve(listener, routes).await });
        service
    }

    pub(crate) fn answer<F>(&self, script: impl Fn(Asked) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Response> + Send + 'static,
    {
        *self.script.lock().unwrap() = Arc::new(move |asked| Box::pin(script(asked)));
    }

    /// Always the same.
    pub(crate) fn say(&self, status: u16, body: &'static str) {
        self.answer(move |_| async move { plain(status, body) });
    }

    /// What it was asked under a path.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path.starts_with(path)).cloned().collect()
    }

    pub(crate) fn times(&self, path: &str) -> usize {
        self.asked(path).len()
    }
}

pub(crate) fn plain(status: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// The catalog's feed of changes, which never says anything but that it is there.
fn feed() -> Response {
    let reset = "{\"type\":\"reset\",\"epoch\":\"e\",\"sequence\":0}\n".to_owned();
    let lines =
        tokio_stream::StreamExt::chain(tokio_stream::once(Ok::<_, std::convert::Infallible>(reset)), tokio_stream::pending());
    Body::from_stream(lines).into_response()
}

/// The catalog: its feed, and for all else the script.
pub(crate) async fn catalog<F>(script: impl Fn(Asked) -> F + Send + Sync + 'static) -> Scripted
where
    F: Future<Output = Response> + Send + 'static,
{
    Scripted::start(move |asked| {
        let is_feed = asked.path.starts_with("/v1/changes");
        let answer = (!is_feed).then(|| script(asked));
        async move { if let Some(answer) = answer { answer.await } else { feed() } }
    })
    .await
}

/// `GET /v1/cluster` of a node that knows this leader: id and address.
pub(crate) fn cluster(term: u64, leader: Option<(u64, &str)>) -> Response {
    let leader = leader.map(|(id, address)| serde_json::json!({"id": id, "address": address}));
    axum::Json(serde_json::json!({
        "cluster_id": "c", "node_id": 1, "state": "follower", "term": term, "leader": leader, "members": [],
        "last_log_index": 1, "applied_index": 1,
    }))
    .into_response()
}

/// A running edge of region `eu`.
pub(crate) struct Edge {
    pub(crate) base: String,
    pub(crate) admin: String,
    pub(crate) http: reqwest::Client,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Edge {
    /// `orders` and `inventory`: of the regions eu, us, ap.
    pub(crate) async fn start(catalog: &Scripted, orders: &[&Scripted], inventory: &[&Scripted], more: &[&str]) -> Self {
        let list = |of: &[&Scripted]| {
            let named = ["eu", "us", "ap"].iter().zip(of).map(|(region, at)| format!("{region}={}", at.address));
            let named: Vec<String> = named.collect();
            if named.is_empty() { "eu=127.0.0.1:9".to_owned() } else { named.join(",") }
        };
        let (orders, inventory) = (list(orders), list(inventory));
        let known = ["edge", "--region", "eu", "--catalog", &catalog.address, "--orders", &orders, "--inventory", &inventory];
        Self::running(Config::parse_from(known.iter().chain(&["--inventory-plaintext"]).chain(more))).await
    }

    /// With this catalog and nobody else behind it.
    pub(crate) async fn in_front_of(catalog: &str, more: &[&str]) -> Self {
        let nobody = "eu=127.0.0.1:9";
        let known = ["edge", "--region", "eu", "--catalog", catalog, "--orders", nobody, "--inventory", nobody];
        Self::running(Config::parse_from(known.iter().chain(&["--inventory-plaintext"]).chain(more))).await
    }

    pub(crate) async fn running(config: Config) -> Self {
        let (listeners, stop) = (Listeners::loopback().await.unwrap(), CancellationToken::new());
        let base = format!("http://{}", listeners.http_addr().unwrap());
        let admin = format!("http://{}", listeners.admin_addr().unwrap());
        let ended = tokio::spawn(run(config, listeners, stop.clone()));
        let edge = Self { base, admin, http: reqwest::Client::new(), stop, ended };
        let ready = format!("{}/readyz", edge.admin);
        eventually(async || edge.http.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200)).await;
        edge
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, HeaderMap, String) {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    }

    /// In a task of its own.
    pub(crate) fn asking(&self, path: &str) -> tokio::task::JoinHandle<(u16, String)> {
        let request = self.http.get(format!("{}{path}", self.base));
        tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    pub(crate) fn check_out(&self, key: &str) -> tokio::task::JoinHandle<(u16, HeaderMap, String)> {
        let request = self.http.post(format!("{}/v1/orders/checkout", self.base)).header("idempotency-key", key).body("{}");
        tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
        })
    }

    /// The metric's lines added up; labels are looked for as text.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.http.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

pub(crate) async fn eventually(mut ask: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < Duration::from_secs(20), "not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
