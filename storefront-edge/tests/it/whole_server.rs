//! What is asked of the shop's edge as a server, and of none of its pages.

use crate::{
    conformance::play::exchange,
    scripted::{Asked, Edge, catalog, plain},
};

#[tokio::test(flavor = "multi_thread")]
async fn options_of_the_server_is_answered_and_tunnels_and_traces_are_refused() {
    let catalog = catalog(|_: Asked| async { plain(404, "") }).await;
    let edge = Edge::start(&catalog, &[], &[], &[]).await;
    let address = edge.base.trim_start_matches("http://").parse().unwrap();
    for (method, target, status) in [
        ("OPTIONS", "*", 204),
        ("GET", "*", 400),
        ("POST", "*", 400),
        ("TRACE", "/", 405),
        ("TRACE", "/v1/products/lamp", 405),
        ("CONNECT", "shop.example:443", 501),
    ] {
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\nCookie: session=secret\r\n\r\n");
        let seen = exchange(address, request.as_bytes(), method).await;
        let allow = (status != 501).then_some("GET, HEAD, POST, OPTIONS");
        assert_eq!((seen.head.status(), seen.head.get("allow").as_deref()), (status, allow), "{method} {target}");
        assert!(!String::from_utf8_lossy(&seen.content.bytes).contains("secret"), "{method} shows what a client sent");
    }
    assert_eq!(catalog.asked("/").iter().filter(|asked| !asked.path.starts_with("/v1/changes")).count(), 0);
}
