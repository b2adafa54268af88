//! Connections that wait hold no buffers, and serve the next request as if nothing had been.

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Edge, Origin, answer, ask, eventually, get_request};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_idled_goes_on() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let mut streams: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        streams.push(edge.connect().await);
    }
    for round in 0..2 {
        for stream in &mut streams {
            let (head, body) = ask(stream, "/v1/products/a").await.unwrap();
            assert!(head.starts_with("HTTP/1.1 200 ") && body == "product a", "round {round}: {head}");
        }
        eventually(async || edge.metric("edge_connections_parked").await >= 50.0).await;
    }
    // The first half of a head wakes a connection, the second half finds it.
    let request = get_request("/v1/products/b");
    let (first, second) = request.split_at(10);
    for stream in &mut streams {
        stream.write_all(first.as_bytes()).await.unwrap();
    }
    eventually(async || edge.metric("edge_connections_parked").await < 1.0).await;
    for stream in &mut streams {
        stream.write_all(second.as_bytes()).await.unwrap();
        assert_eq!(answer(stream).await.unwrap().1, "product b");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_sent_behind_a_request_is_not_lost_by_idling() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let (mut stream, mut other) = (edge.connect().await, edge.connect().await);
    let next = get_request("/v1/products/b");
    let (first, second) = next.split_at(10);
    let sent = format!("{}{first}", get_request("/v1/products/a"));
    stream.write_all(sent.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().1, "product a");
    // Another one that idles has given its buffers back: so would this one have.
    assert!(ask(&mut other, "/v1/products/a").await.is_some());
    eventually(async || edge.metric("edge_connections_parked").await >= 1.0).await;
    stream.write_all(second.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().1, "product b");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_spread_over_the_threads() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &["--workers", "4"]).await;
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = edge.connect().await;
        assert!(ask(&mut stream, "/v1/products/a").await.is_some());
        streams.push(stream);
    }
    eventually(async || edge.metric("edge_connections").await == 40.0).await;
    let text = edge.admin("/metrics").await;
    let counts: Vec<&str> = text.lines().filter(|line| line.starts_with("edge_connections{")).collect();
    for line in &counts {
        let count: u32 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(count, 10, "{counts:?}");
    }
    for mut stream in streams {
        assert_eq!(ask(&mut stream, "/v1/products/b").await.unwrap().1, "product b");
    }
}
