//! Requests that two programs could understand in two ways are refused, and nothing after them is heard.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Edge, Origin, answer, get_request, until_closed};

const HEAD: &str = "POST /v1/users/register HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n";

fn post(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

/// What is sent, then a request that must not be answered.
async fn refused(edge: &Edge, sent: &str) -> String {
    let mut stream = edge.connect().await;
    stream.write_all(sent.as_bytes()).await.unwrap();
    // The edge may have closed by now.
    let _ = stream.write_all(get_request("/v1/products/smuggled").as_bytes()).await;
    until_closed(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_two_meanings_is_refused_and_ends_the_connection() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let many: String = (0..101).map(|nth| format!("x-{nth}: y\r\n")).collect();
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    for (what, status, sent) in [
        ("lengths that differ", 400, post("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")),
        ("a list of lengths", 400, post("Content-Length: 2, 2\r\n\r\n{}")),
        ("a length with a sign", 400, post("Content-Length: +2\r\n\r\n{}")),
        ("length, then coding", 400, post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("coding, then length", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n")),
        ("another coding", 400, post("Transfer-Encoding: identity\r\n\r\n")),
        ("a coding around chunked", 501, post("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("chunked twice", 501, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("chunked without a chunk", 400, post("Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n")),
        ("a chunk that is too long", 400, post("Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n")),
        ("a chunk of too many digits", 400, post("Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n")),
        ("coding in HTTP/1.0", 400, post("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")),
        ("a folded line", 400, "GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n z\r\n\r\n".to_owned()),
        ("a space before a colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n".to_owned()),
        ("a return in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nx: y\rz\r\n\r\n".to_owned()),
        ("a zero in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nx: y\0z\r\n\r\n".to_owned()),
        ("no host", 400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned()),
        ("a host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned()),
        ("a tunnel", 501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".to_owned()),
        ("no version", 400, "GET /\r\n\r\n".to_owned()),
        ("too many headers", 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")),
        ("a head that is too long", 431, long),
    ] {
        let said = refused(&edge, &sent).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{what} hid a request: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_right_are_answered_in_order_however_they_come() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let mut stream = edge.connect().await;
    stream.set_nodelay(true).unwrap();
    let three: String = ["a", "b", "c"].map(|handle| get_request(&format!("/v1/products/{handle}"))).concat();
    stream.write_all(three.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"product c") {
        assert!(stream.read_buf(&mut said).await.unwrap() > 0);
    }
    let said = String::from_utf8(said).unwrap();
    let places = ["product a", "product b", "product c"].map(|body| said.find(body).unwrap());
    assert!(places.is_sorted(), "{said}");
    // Byte by byte, an empty line in front, the last header again in other case.
    for byte in get_request("/v1/products/slowly").replacen("GET", "\r\nGET", 1).as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&mut stream).await.unwrap().1, "product slowly");
    let chunked = post("transfer-encoding: Chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    stream.write_all(chunked.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().1, "took 2 with []");
    let old = "GET /v1/products/a HTTP/1.0\r\n\r\n";
    stream.write_all(old.as_bytes()).await.unwrap();
    assert!(until_closed(&mut stream).await.ends_with("product a"));
}
