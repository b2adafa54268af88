//! Connections of the public port, over sockets of this test's own.

mod drain;
mod idle;
mod requests;
mod slow;
mod tls;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::{any, get},
};
use clap::Parser;
use storefront_edge::{Config, run};
use storefront_service::ListenArgs;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Catalog and orders behind the edge. One order waits until it is let go.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pub(crate) held: Arc<Semaphore>,
    pub(crate) waiting: Arc<AtomicU64>,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), held: Arc::new(Semaphore::new(0)), waiting: Arc::default() };
        let product =
            async |Path(handle): Path<String>| ([("cache-control", "s-maxage=60")], format!("product {handle}")).into_response();
        let held = async |State(origin): State<Self>| {
            origin.waiting.fetch_add(1, Ordering::SeqCst);
            origin.held.acquire().await.unwrap().forget();
            "held"
        };
        let took = async |headers: HeaderMap, body: Bytes| {
            let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
            format!("took {} with {cookies:?}", body.len())
        };
        let changes = async || {
            let reset = tokio_stream::once("{\"type\":\"reset\",\"epoch\":\"e\",\"sequence\":0}\n");
            let open = tokio_stream::StreamExt::chain(reset, tokio_stream::pending());
            Body::from_stream(tokio_stream::StreamExt::map(open, Ok::<_, std::convert::Infallible>))
        };
        let routes = Router::new()
            .route("/v1/products/{handle}", get(product))
            .route("/v1/changes", get(changes))
            .route("/v1/orders/held", get(held))
            .fallback(any(took))
            .with_state(origin.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        origin
    }
}

/// A running edge.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Edge {
    pub(crate) async fn start(origin: &Origin, flags: &[&str]) -> Self {
        Self::start_at(origin, "127.0.0.1:0".parse().unwrap(), flags).await
    }

    pub(crate) async fn start_at(origin: &Origin, listen: SocketAddr, flags: &[&str]) -> Self {
        let (catalog, orders) = (origin.address.to_string(), format!("eu={}", origin.address));
        let mut line = vec!["edge", "--region", "eu", "--catalog", &catalog, "--orders", &orders];
        line.extend(["--inventory", "eu=127.0.0.1:9", "--inventory-plaintext"]);
        // All clients of these tests are one.
        line.extend(["--limit-browse", "0:0", "--limit-personal", "0:0", "--limit-checkout", "0:0"]);
        line.extend(flags);
        if !flags.contains(&"--workers") {
            line.extend(["--workers", "2"]);
        }
        let config = Config::parse_from(line);
        let listeners = ListenArgs { listen, admin: "127.0.0.1:0".parse().unwrap() }.bind_shared().await.unwrap();
        let (address, admin) = (listeners.http_addr().unwrap(), listeners.admin_addr().unwrap());
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(config, listeners, stop.clone()));
        let edge = Self { address, admin, stop, ended };
        eventually(async || edge.admin("/readyz").await.starts_with("HTTP/1.1 200")).await;
        edge
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// An answer of the admin port, with its head.
    pub(crate) async fn admin(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(self.admin).await else { return String::new() };
        let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        until_closed(&mut stream).await
    }

    /// Sum of a metric over the threads.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").await;
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

pub(crate) fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n")
}

/// Everything up to the end of the connection.
pub(crate) async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset ends a connection too; what came before it counts.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it stays open");
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer with a length: head and body. `None`: the connection ended before or within it.
pub(crate) async fn answer(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut all = Vec::new();
    let read = async {
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0_usize) {
                    return Some((head.to_owned(), body.to_owned()));
                }
            }
            if stream.read_buf(&mut all).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("no answer comes")
}

pub(crate) async fn ask(stream: &mut TcpStream, path: &str) -> Option<(String, String)> {
    stream.write_all(get_request(path).as_bytes()).await.ok()?;
    answer(stream).await
}

pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
