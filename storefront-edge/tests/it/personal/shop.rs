//! A shop whose services do everything wrong that a cache could be misled by: `orders` calls carts public for an hour, and the catalog
//! repeats in its answers whatever field it was sent. Must not: judge.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
    response::IntoResponse,
    routing::get,
};
use clap::Parser;
use storefront_edge::Config;
use tokio::net::TcpListener;

use crate::{
    conformance::{play::exchange, step::Seen},
    scripted::Edge,
};

/// Each request has its own, by design, and no answer repeats them.
const TRACING: [&str; 2] = ["x-request-id", "traceparent"];

fn shopper(headers: &HeaderMap) -> String {
    let all =
        [header::COOKIE, header::AUTHORIZATION].map(|name| format!("{:?}", headers.get_all(name).iter().collect::<Vec<_>>()));
    let found = ["alice", "bob"].into_iter().filter(|name| all.iter().any(|said| said.contains(name)));
    found.collect::<Vec<_>>().join(" and ")
}

/// A cart with a line that only its shopper may see.
async fn orders(request: Request) -> impl IntoResponse {
    let secret = format!("secret of {}", shopper(request.headers()));
    let line = format!(r#"{{"sku":"LAMP","title":"{secret}","quantity":1,"unit_price":{{"amount":1,"currency":"USD"}}}}"#);
    let fields = [
        ("cache-control", "public, max-age=3600, s-maxage=3600, immutable"),
        ("cdn-cache-control", "public, max-age=3600"),
        ("expires", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("etag", "\"same\""),
        ("vary", "accept"),
        ("content-type", "application/json"),
    ];
    (fields, [("set-cookie", secret)], format!(r#"{{"lines":[{line}],"total":null}}"#))
}

/// Everything it was sent, for everybody.
async fn catalog(request: Request) -> impl IntoResponse {
    let fields = request.headers().iter().filter(|(name, _)| !TRACING.contains(&name.as_str()));
    let fields: String = fields.map(|(name, value)| format!("{name}: {value:?}\n")).collect();
    let body = format!("catalog {} {}\n{fields}", request.method(), request.uri());
    (
        [
            ("cache-control", "s-maxage=3600"),
            ("surrogate-key", "product:1"),
            ("etag", "\"same\""),
            ("content-type", "text/plain"),
        ],
        body,
    )
}

async fn changes() -> Body {
    let reset = tokio_stream::once(Ok::<_, std::convert::Infallible>("{\"type\":\"reset\",\"epoch\":\"e\",\"sequence\":0}\n"));
    Body::from_stream(tokio_stream::StreamExt::chain(reset, tokio_stream::pending()))
}

async fn listen(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// The edge in front of them.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    _edge: Edge,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let orders = listen(Router::new().fallback(orders)).await;
        let catalog = listen(Router::new().route("/v1/changes", get(changes)).fallback(catalog)).await;
        let (orders, catalog) = (format!("eu={orders}"), catalog.to_string());
        let much = "1000000:1000000";
        let config = Config::try_parse_from([
            "edge",
            "--region",
            "eu",
            "--catalog",
            &catalog,
            "--orders",
            &orders,
            "--inventory",
            "eu=127.0.0.1:9",
            "--inventory-plaintext",
            "--limit-browse",
            much,
            "--limit-personal",
            much,
            "--max-lag-ms",
            "10000",
        ])
        .unwrap();
        let edge = Edge::running(config).await;
        Self { address: edge.base.trim_start_matches("http://").parse().unwrap(), _edge: edge }
    }

    /// One request, and all of its answer as text.
    pub(crate) async fn ask(&self, method: &str, target: &str, fields: &[String]) -> (Seen, String) {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let bytes = format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}\r\n");
        let seen = exchange(self.address, bytes.as_bytes(), method).await;
        let text = format!("{:?}\n{}", seen.head, String::from_utf8_lossy(&seen.content.bytes));
        (seen, text)
    }
}
