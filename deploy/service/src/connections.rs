//! HTTP/1.1 connections: accepted, checked, served, drained.

use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use storefront_tls::{Acceptor, PeerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
};
use tower::ServiceExt;

/// Longest wait for the head of a request, so that a client that dribbles cannot hold a connection for ever.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// Pause after a failed accept, as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers the requests of a connection.
pub trait HttpService:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> HttpService for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// A router as such a service.
pub fn routed(router: Router) -> impl HttpService {
    TowerToHyperService::new(router.map_request(|request: Request<Incoming>| request.map(Body::new)))
}

/// Who gets in at a port.
#[derive(Clone)]
pub enum Door {
    /// Whoever reaches it, in plaintext.
    Open,
    /// Who shows the right certificate. Requests carry the caller's [`PeerName`] as an extension.
    Tls(Acceptor),
}

/// Serves until `stop`, then lets the requests under way end.
pub async fn serve_connections(
    listener: TcpListener,
    door: Door,
    service: impl HttpService,
    stop: impl Future<Output = ()> + Send,
) {
    let (drain, mut stop) = (GracefulShutdown::new(), std::pin::pin!(stop));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    loop {
        let (stream, remote, room) = tokio::select! {
            accepted = accept(&listener, &door) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Answers are small and complete; waiting to fill a segment would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the connection is gone");
        }
        let (http, service, watcher) = (http.clone(), service.clone(), drain.watcher());
        match &door {
            Door::Open => {
                tokio::spawn(serve_one(http, stream, service, watcher));
            }
            Door::Tls(acceptor) => {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let accepted = acceptor.accept(stream, remote).await;
                    drop(room);
                    if let Some(accepted) = accepted {
                        serve_one(http, accepted.stream, Named { service, name: accepted.name }, watcher).await;
                    }
                });
            }
        }
    }
    drop(listener);
    drain.shutdown().await;
}

type Arrived = (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>);

/// The next connection, when there is room for its handshake.
async fn accept(listener: &TcpListener, door: &Door) -> std::io::Result<Arrived> {
    let room = match door {
        Door::Open => None,
        Door::Tls(acceptor) => acceptor.room().await,
    };
    let (stream, remote) = listener.accept().await?;
    Ok((stream, remote, room))
}

async fn serve_one<S>(http: http1::Builder, stream: S, service: impl HttpService, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if let Err(error) = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Tells with each request whose certificate the connection has.
#[derive(Clone)]
struct Named<S> {
    service: S,
    name: PeerName,
}

impl<S: HttpService> Service<Request<Incoming>> for Named<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> S::Future {
        request.extensions_mut().insert(self.name.clone());
        self.service.call(request)
    }
}
