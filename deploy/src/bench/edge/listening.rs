//! A server of HTTP/1.1 on a thread of this process: what stands behind an edge while it is measured.

use std::{convert::Infallible, future::Future, net::SocketAddr, thread, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::LocalSet,
};

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// It ends with this value.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    _running: oneshot::Sender<Infallible>,
}

impl Listening {
    pub(super) fn start<A, F>(answer: A) -> anyhow::Result<Self>
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Answer> + 'static,
    {
        let listener = backing_servers::free_listener().context("no port is free")?;
        listener.set_nonblocking(true)?;
        let (address, (running, stop)) = (listener.local_addr()?, oneshot::channel());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("origin".to_owned()).spawn(move || {
            let work = async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, answer) => {}
                    _ = stop => {}
                }
            };
            LocalSet::new().block_on(&runtime, work);
        })?;
        Ok(Self { address, _running: running })
    }
}

async fn accept<A, F>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    loop {
        // Out of descriptors: the caches' side sees connections that nobody takes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        tokio::task::spawn_local(converse(stream, answer.clone()));
    }
}

async fn converse<A, F>(stream: TcpStream, answer: A)
where
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    // Nothing to be done about a connection that is gone.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}
