//! What the machine can do with this load generator: a bare hyper loop on every processor that answers from a map, without a cache's rules.

use std::{collections::HashMap, convert::Infallible, net::SocketAddr, thread};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::LocalSet,
};

/// Connections that wait to be taken, as the peers have it.
const BACKLOG: u32 = 4096;

/// The running loops; they end with this value.
#[derive(Debug)]
pub(super) struct Bare {
    pub(super) address: SocketAddr,
    _running: watch::Sender<()>,
}

struct Prepared {
    headers: HeaderMap,
    body: Bytes,
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bare {
    pub(super) fn start(path: &str, body_bytes: usize) -> anyhow::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], backing_servers::free_port()?));
        let (running, stop) = watch::channel(());
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let listener = {
                let _inside = runtime.enter();
                listen(address).with_context(|| format!("cannot listen on {address}"))?
            };
            let (known, mut stop) = (known(path, body_bytes), stop.clone());
            thread::Builder::new().name("bare".to_owned()).spawn(move || {
                let work = async {
                    tokio::select! {
                        () = accept(listener, known) => {}
                        _ = stop.changed() => {}
                    }
                };
                LocalSet::new().block_on(&runtime, work);
            })?;
        }
        Ok(Self { address, _running: running })
    }
}

fn known(path: &str, body_bytes: usize) -> &'static HashMap<String, Prepared> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body_bytes));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::AGE, HeaderValue::from_static("1"));
    let prepared = Prepared { headers, body: Bytes::from(vec![b'x'; body_bytes]) };
    // Lives as long as the process, which ends with the bench.
    Box::leak(Box::new(HashMap::from([(path.to_owned(), prepared)])))
}

async fn accept(listener: TcpListener, known: &'static HashMap<String, Prepared>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Nothing to be done about a connection that is gone.
        let _ = stream.set_nodelay(true);
        let answer =
            service_fn(move |request: Request<Incoming>| std::future::ready(Ok::<_, Infallible>(answer(&request, known))));
        tokio::task::spawn_local(http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), answer));
    }
}

fn answer(request: &Request<Incoming>, known: &HashMap<String, Prepared>) -> Response<Full<Bytes>> {
    let Some(prepared) = known.get(request.uri().path()) else {
        let mut missing = Response::new(Full::default());
        *missing.status_mut() = StatusCode::NOT_FOUND;
        return missing;
    };
    let mut response = Response::new(Full::new(prepared.body.clone()));
    *response.headers_mut() = prepared.headers.clone();
    response
}
