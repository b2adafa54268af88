//! 1xx answers over sockets, by a handler that gives them.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{Caller, Door, Handler, serve};

/// Gives two hints from another thread, waits until they were taken, and gives one more too late.
struct Hinting;

impl Handler for Hinting {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, from: &Caller) -> Response<Full<Bytes>> {
        let (interim, mut headers) = (from.interim.clone(), HeaderMap::new());
        headers.insert(header::LINK, HeaderValue::from_str(request.uri().path()).unwrap());
        let given = std::thread::spawn(move || {
            let taken = [StatusCode::PROCESSING, StatusCode::EARLY_HINTS].map(|status| interim.send(status, &headers));
            (taken, interim, headers)
        });
        let (taken, interim, headers) = given.join().unwrap();
        tokio::task::spawn_local(async move {
            tokio::task::yield_now().await;
            assert!(!interim.send(StatusCode::EARLY_HINTS, &headers), "a hint was taken after the answer");
        });
        Response::new(Full::from(format!("{taken:?}")))
    }
}

async fn start() -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    // Opened for itself alone: the second thread shares its queue.
    let (stall_limit, work) = (Duration::from_secs(60), TaskTracker::new());
    let door = Door { workers: 2, max_connections: 10, stall_limit, work, tls: None };
    tokio::spawn(serve(door, listener, || Hinting, stop.clone()));
    (address, stop.drop_guard())
}

/// What comes back, without the lines that hyper adds.
async fn exchange(sent: &str) -> String {
    let (address, _stop) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let lines = said.lines().filter(|line| !line.starts_with("date: ") && !line.starts_with("con"));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_come_before_their_answer_also_when_requests_are_sent_ahead() {
    let first = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let of = |path| {
        let hints = format!("HTTP/1.1 102 Processing\nlink: {path}\n\nHTTP/1.1 103 Early Hints\nlink: {path}\n\n");
        format!("{hints}HTTP/1.1 200 OK\n\n[true, true]")
    };
    assert_eq!(exchange(&format!("{first}{last}")).await, format!("{}{}", of("/a"), of("/b")));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_do_not_know_hints_get_none() {
    assert_eq!(exchange("GET /a HTTP/1.0\r\n\r\n").await, "HTTP/1.0 200 OK\n\n[false, false]");
}
