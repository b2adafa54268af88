//! A cache under measurement: a process of this bench's own, with a private directory and a free port, and an origin of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use backing_servers::serve;
use rustix::{
    fs::{StatVfsMountFlags, statvfs},
    process::{Pid, Signal, kill_process},
};

use super::origin::Origin;

/// Longest wait for a process to end by itself after it was asked to; its own children end with it.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running cache. Process, origin and files go with it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) system: &'static str,
    pub(super) address: String,
    origin: Option<Origin>,
    child: Child,
    directory: PathBuf,
}

impl Server {
    /// Starts `command` and waits until `port` takes connections.
    pub(super) fn start(
        system: &'static str,
        command: Command,
        port: u16,
        origin: Option<Origin>,
        directory: PathBuf,
    ) -> anyhow::Result<Self> {
        let log = directory.join("log");
        let child = serve(command, system, port, &log).map_err(|error| {
            let said = last_words(&log);
            // Nobody would come for it: what is left in memory stays until the machine restarts.
            let _ = fs::remove_dir_all(&directory);
            anyhow::anyhow!("{error}; its last words: {said}")
        })?;
        Ok(Self { system, address: format!("127.0.0.1:{port}"), origin, child, directory })
    }

    /// Requests that its origin heard.
    pub(super) fn asked(&self) -> u64 {
        self.origin.as_ref().map_or(0, Origin::asked)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Fetches `path` until it comes from the cache, and fails when it does not.
    pub(super) async fn fill(&self, path: &str) -> anyhow::Result<()> {
        let (http, url, began) = (reqwest::Client::new(), self.url(path), Instant::now());
        let mut kept = 0;
        while kept < FILLS {
            let answer = http.get(&url).send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            answer.bytes().await?;
            // One that protects itself may ask for a moment when the machine is busy.
            if matches!(status.as_u16(), 429 | 503) && began.elapsed() < FILL_LIMIT {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            ensure!(status == reqwest::StatusCode::OK, "{} answers {url} with {status}; its log: {}", self.system, self.log());
            if is_hit(&headers) {
                return Ok(());
            }
            kept += 1;
        }
        anyhow::bail!("{} does not keep {url}; its log: {}", self.system, self.log())
    }

    #[cfg(test)]
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its last words; the log itself goes with the directory.
    fn log(&self) -> String {
        last_words(&self.directory.join("log"))
    }
}

fn last_words(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    last.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

/// Longest time of answers that ask to come back.
const FILL_LIMIT: Duration = Duration::from_secs(10);

/// Requests until an answer has to come from the cache. A cache with a part for each processor needs one for each.
const FILLS: usize = 64;

/// Whether the cache says that it answered by itself: `Cache-Status` (RFC 9211), `X-Cache` of nginx, two ids in `X-Varnish`, or an `Age`.
pub(super) fn is_hit(headers: &reqwest::header::HeaderMap) -> bool {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(status) = of("cache-status") {
        return status.split(';').any(|part| part.trim() == "hit");
    }
    if let Some(ids) = of("x-varnish") {
        return ids.split(' ').count() == 2;
    }
    of("x-cache").map_or(of("age").is_some(), |said| said.eq_ignore_ascii_case("hit"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // Best effort: the process may be gone already. nginx and Varnish end their own children when they are asked to.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < STOP_LIMIT {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A private directory in memory where the machine has such a file system and programs may lie there (Varnish compiles its
/// configuration), else below `otherwise`.
pub(super) fn private_directory(system: &str, otherwise: &Path) -> anyhow::Result<PathBuf> {
    let memory = Path::new("/dev/shm");
    let usable = statvfs(memory).is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::NOEXEC));
    let directory =
        if usable { memory.join(format!("storefront-bench-{}-{system}", std::process::id())) } else { otherwise.join(system) };
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_what_the_cache_itself_calls_one() {
        let said = |name: &'static str, value: &'static str| {
            is_hit(&[(name, value)].into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
        };
        assert!(said("cache-status", "edge; hit; ttl=5") && !said("cache-status", "edge; fwd=uri-miss; stored"));
        assert!(said("x-varnish", "32770 3") && !said("x-varnish", "32770"));
        assert!(said("x-cache", "HIT") && !said("x-cache", "MISS"));
        assert!(said("age", "1") && !said("content-type", "text/plain"));
    }
}
