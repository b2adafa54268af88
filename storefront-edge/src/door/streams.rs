//! A connection of HTTP/2: many requests at once, each of them bounded, and all of them ended in order.

use std::{convert::Infallible, future::poll_fn, net::SocketAddr, pin::pin, rc::Rc, task::Poll, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{
    Caller, Handler, Interim, MAX_HEAD_BYTES,
    answer::answer,
    life::{Life, Order, Phase},
    worker::Worker,
};

/// Requests at once; browsers open up to 100.
const MAX_STREAMS: u32 = 128;

/// Bytes of a body that may come before it is read: forms and JSON are at most 64 KiB.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Bytes of one answer that wait to be sent.
const MAX_WAITING_BYTES: usize = 64 * 1024;

/// Streams that a caller has reset before they were answered (CVE-2023-44487), and that this side has reset for its faults.
const MAX_RESET: usize = 32;

/// Whoever does not answer a ping is gone.
const PING: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(10);

/// Runs on the thread that calls it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, work: F) {
        tokio::task::spawn_local(work);
    }
}

pub(super) fn builder() -> Builder<OnThisThread> {
    let mut http = Builder::new(OnThisThread);
    http.timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_LIMIT)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET)
        .max_local_error_reset_streams(MAX_RESET)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_WAITING_BYTES)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX));
    http
}

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(
    worker: Rc<Worker<H>>,
    stream: Box<TlsStream<TcpStream>>,
    address: SocketAddr,
    life: Rc<Life>,
) {
    life.enter(Phase::Idle);
    let service = {
        let (worker, life) = (worker.clone(), life.clone());
        service_fn(move |request: Request<Incoming>| {
            let caller = Caller { address, tls: true, interim: Interim::none() };
            let answered = answer(worker.clone(), life.clone(), request, caller);
            async move { Ok::<_, Infallible>(answered.await) }
        })
    };
    let mut connection = pin!(worker.http2.serve_connection(TokioIo::new(stream), service));
    let mut is_ending = false;
    poll_fn(|cx| {
        let order = life.take_order(cx);
        if order == Some(Order::Cut) {
            return Poll::Ready(());
        }
        // Streams that the caller has opened by now are answered; it learns which ones those are.
        if !is_ending && (order == Some(Order::Close) || worker.is_draining()) {
            is_ending = true;
            connection.as_mut().graceful_shutdown();
        }
        // A caller who leaves something of an answer untaken keeps the connection from its end.
        if order == Some(Order::Close) && life.phase() == Phase::Idle {
            life.enter(Phase::Leaving);
        }
        connection.as_mut().poll(cx).map(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        })
    })
    .await;
}
