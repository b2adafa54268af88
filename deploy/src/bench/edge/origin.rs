//! The origin behind every cache that is measured: a small server on a thread of this process. It counts what reaches it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    task::LocalSet,
};

/// How the origin answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    pub(super) body_bytes: usize,
    /// Time that one answer takes.
    pub(super) takes: Duration,
    /// Answers under way at once; the others wait in line.
    pub(super) at_once: usize,
    /// `Cache-Control` of what is fetched; changes are never kept.
    pub(super) control: &'static str,
}

/// Kept for longer than any bench takes.
pub(super) const KEPT: &str = "public, max-age=3600";

impl Answers {
    /// Without any wait.
    pub(super) const fn immediate(body_bytes: usize) -> Self {
        Self { body_bytes, takes: Duration::ZERO, at_once: Semaphore::MAX_PERMITS, control: KEPT }
    }

    #[cfg(test)]
    pub(super) const fn uncacheable() -> Self {
        Self { control: "no-store", ..Self::immediate(16) }
    }
}

struct Desk {
    control: &'static str,
    body: Bytes,
    takes: Duration,
    places: Semaphore,
    asked: Arc<AtomicU64>,
}

/// A running origin; it ends with this value.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicU64>,
    _running: oneshot::Sender<Infallible>,
}

impl Origin {
    pub(super) fn start(answers: Answers) -> anyhow::Result<Self> {
        let listener = backing_servers::free_listener().context("no port is free for the origin")?;
        listener.set_nonblocking(true)?;
        let (address, asked) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let (running, stop) = oneshot::channel();
        let desk = Desk {
            control: answers.control,
            body: Bytes::from(vec![b'x'; answers.body_bytes]),
            takes: answers.takes,
            places: Semaphore::new(answers.at_once),
            asked: asked.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("origin".to_owned()).spawn(move || {
            let work = async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, Arc::new(desk)) => {}
                    _ = stop => {}
                }
            };
            LocalSet::new().block_on(&runtime, work);
        })?;
        Ok(Self { address, asked, _running: running })
    }

    /// Requests that came so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    loop {
        // Out of descriptors: the caches' side sees connections that nobody takes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        tokio::task::spawn_local(converse(stream, desk.clone()));
    }
}

async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    // Nothing to be done about a connection that is gone.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request: Request<Incoming>| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(answer(request, &desk).await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(request: Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    desk.asked.fetch_add(1, Ordering::AcqRel);
    let safe = request.method() == Method::GET || request.method() == Method::HEAD;
    // A body that is not read would end the connection.
    let _ = request.into_body().collect().await;
    let _place = desk.places.acquire().await;
    if !desk.takes.is_zero() {
        tokio::time::sleep(desk.takes).await;
    }
    let (status, control) = if safe { (StatusCode::OK, desk.control) } else { (StatusCode::CREATED, "no-store") };
    let mut response = Response::new(Full::new(desk.body.clone()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static(control));
    headers.insert(header::ETAG, header::HeaderValue::from_static("\"one\""));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_what_reaches_it_and_lets_caches_keep_the_answer() {
        let origin = Origin::start(Answers::immediate(4096)).unwrap();
        for _ in 0..3 {
            let answer = reqwest::get(format!("{}/a", origin.url())).await.unwrap();
            assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
            assert_eq!(answer.bytes().await.unwrap().len(), 4096);
        }
        let posted = reqwest::Client::new().post(origin.url()).body("b").send().await.unwrap();
        assert_eq!((posted.status().as_u16(), &posted.headers()["cache-control"]), (201, &"no-store".parse().unwrap()));
        assert_eq!(origin.asked(), 4);
    }
}
