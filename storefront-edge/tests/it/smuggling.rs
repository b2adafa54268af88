//! Requests that two servers could read in two ways: what follows them must never become a request of its own at the origin, nor an
//! answer for somebody else. Must not: test requests that are well formed.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::conformance::{answer::ok, play::Stage, step::get};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Swallow: ";

/// Heads between the first line and the content, each followed by a chunked ending and a request that must not be one.
const HEADS: [&str; 25] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 60",
    "Content-Length: 5, 60",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length: 5;",
    "Content-Length: ",
    "Content-Length: 99999999999999999999999999",
    "Content-Length : 5",
    " Content-Length: 5",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked\r\nContent-Length: 5",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding:\r\n chunked",
    "X: a\r\n Transfer-Encoding: chunked",
    "X: a\nTransfer-Encoding: chunked",
    "X: a\rTransfer-Encoding: chunked",
    "X: a\0\r\nTransfer-Encoding: chunked",
    "Connection: Content-Length, Transfer-Encoding\r\nContent-Length: 5",
];

#[derive(PartialEq, Eq)]
enum Open {
    /// More could come.
    Still,
    /// No more will come, and the other side is told so.
    NoMore,
}

/// Sends bytes, and takes whatever comes back.
async fn raw(stage: &Stage, bytes: &[u8], open: Open) -> String {
    let mut connection = TcpStream::connect(stage.address).await.unwrap();
    // The edge may refuse while the rest is still on its way.
    let _ = connection.write_all(bytes).await;
    if open == Open::NoMore {
        let _ = connection.shutdown().await;
    }
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(30), connection.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stayed open: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn fresh() -> crate::conformance::answer::Answer {
    ok("max-age=3600").body("of the origin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_within_a_request_is_none() {
    for method in ["POST", "GET", "PUT"] {
        for head in HEADS {
            let stage = Stage::open().await;
            stage.origin.will_say(vec![fresh(); 8]);
            let bytes = format!("{method} /first HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n0\r\n\r\n{SMUGGLED}");
            let answer = raw(&stage, bytes.as_bytes(), Open::NoMore).await;
            let received = stage.origin.received();
            for request in &received {
                assert_eq!(request.head.target(), "/first", "{method} {head:?} reached the origin as {received:#?}");
                let (length, coding) = (request.head.all("content-length"), request.head.all("transfer-encoding"));
                assert!(length.len() + coding.len() <= 1, "{method} {head:?} reached the origin with {length:?} and {coding:?}");
                assert!(request.content.complete, "{method} {head:?} reached the origin without its content");
            }
            assert!(!answer.contains("HTTP/1.1 200") || !received.is_empty(), "{method} {head:?} was answered: {answer}");
            stage.step(get().at("/smuggled").asks(fresh().body("not smuggled")).body("not smuggled")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_are_none_are_refused() {
    let bad =
        ["X-A: b\0c", "X A: b", "X-A\x01: b", ": b", "X-A", "X-\u{e9}: b", "Host: b", "Host: a b", "Host: a/b", "Host: a@b"];
    for field in bad {
        let stage = Stage::open().await;
        let answer = raw(
            &stage,
            format!("GET /first HTTP/1.1\r\nHost: a\r\n{field}\r\nConnection: close\r\n\r\n").as_bytes(),
            Open::NoMore,
        )
        .await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{field:?}: {answer}");
        assert!(stage.origin.received().is_empty(), "{field:?} reached the origin");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_are_none_are_refused() {
    for target in ["", "first", "/a b", "/a\tb", "/a\0b", "http://", "//", "*", "/\u{e9}\r\nX: y", "javascript:alert(1)"] {
        let stage = Stage::open().await;
        stage.origin.will_say(vec![fresh(); 2]);
        let answer =
            raw(&stage, format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes(), Open::NoMore).await;
        for request in stage.origin.received() {
            assert_eq!(request.head.target(), target, "{target:?} was changed");
        }
        assert!(!answer.contains("HTTP/1.1 5"), "{target:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_get_their_own_answers() {
    let stage = Stage::open().await;
    stage.origin.will_say((0..3).map(|nth| ok("max-age=3600").body(format!("body {nth}."))).collect());
    let last = ["", "", "Connection: close\r\n"];
    let bytes: String = (0..3).map(|nth| format!("GET /{nth} HTTP/1.1\r\nHost: a\r\n{}\r\n", last[nth])).collect();
    let answer = raw(&stage, bytes.as_bytes(), Open::Still).await;
    let found: Vec<usize> = (0..3).filter_map(|nth| answer.find(&format!("body {nth}."))).collect();
    assert!(found.len() == 3 && found.is_sorted(), "{answer}");
}
