//! One connection over its life: waiting without buffers, served by hyper, taken back when it idles, closed so that the caller gets
//! to read the last answer.

use std::{cell::Cell, future::poll_fn, net::SocketAddr, pin::Pin, rc::Rc, sync::Arc, task::Poll};

use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Caller, Handler, Interim,
    answer::{answer, problem},
    interim::Queue,
    life::{Life, Order, Phase},
    short::{self, Short},
    slot::OneByOne,
    streams,
    wire::{Stream, Wire},
    worker::Worker,
};

/// Bytes read from a caller that does not close after its last answer: closed with them unread, the connection would be reset, and
/// the caller could lose the answer.
const FAREWELL_BYTES: u64 = 256 * 1024;

/// How hyper parted from a connection.
enum Next {
    /// Wait for the next request.
    Park(Wire),
    /// Close, after this answer if there is one.
    Farewell(Wire, Option<(StatusCode, &'static str)>),
    /// The caller is gone, or has to go at once.
    Gone,
}

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(worker: Rc<Worker<H>>, stream: TcpStream, address: SocketAddr, life: Rc<Life>) {
    let Some(tls) = &worker.tls else { return serve_h1(&worker, Stream::Plain(stream), address, life).await };
    // What is not waiting for a request is in boxes, here and below, so that a connection that waits for one is small.
    let Some(stream) = Box::pin(tls.accept(stream, &life)).await else { return };
    life.enter(Phase::Idle);
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Box::pin(streams::serve(worker.clone(), stream, address, life)).await,
        _ => serve_h1(&worker, Stream::Tls(stream), address, life).await,
    }
}

async fn serve_h1<H: Handler>(worker: &Rc<Worker<H>>, stream: Stream, address: SocketAddr, life: Rc<Life>) {
    let interim = Arc::new(Queue::default());
    let mut wire = Wire::new(stream, life.clone(), interim.clone());
    loop {
        if !readable(&wire, &life).await {
            return farewell(wire, &life).await;
        }
        match short::answer(worker, &mut wire, &life).await {
            Short::Waits => continue,
            Short::Over => return,
            Short::Long => {}
        }
        match exchange(worker, wire, address, &life, &interim).await {
            Next::Park(taken) => wire = taken,
            Next::Farewell(mut wire, told) => {
                life.enter(Phase::Farewell);
                if let Some((status, detail)) = told {
                    worker.count_refused(status);
                    // A caller who cannot be told is gone.
                    let _ = unless_cut(&life, Box::pin(tell(&mut wire, status, detail))).await;
                }
                return farewell(wire, &life).await;
            }
            Next::Gone => return,
        }
    }
}

/// Waits for bytes; `false` when the connection is to be closed instead. Bytes that have come are served before it is.
async fn readable(wire: &Wire, life: &Life) -> bool {
    poll_fn(|cx| {
        let order = life.take_order(cx);
        if wire.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        match order {
            Some(Order::Close | Order::Cut) => Poll::Ready(false),
            _ => Poll::Pending,
        }
    })
    .await
}

/// Serves requests until the connection ends or idles.
async fn exchange<H: Handler>(
    worker: &Rc<Worker<H>>,
    wire: Wire,
    address: SocketAddr,
    life: &Rc<Life>,
    interim: &Arc<Queue>,
) -> Next {
    let service = {
        let (worker, life, interim, requests) = (worker.clone(), life.clone(), interim.clone(), Cell::new(0));
        let tls = wire.is_tls();
        OneByOne::new(move |request: Request<Incoming>| {
            requests.set(requests.get() + 1);
            let interim = match request.version() {
                Version::HTTP_11 => Interim::of(&interim, requests.get()),
                _ => Interim::none(),
            };
            let caller = Caller { address, tls, interim };
            answer(worker.clone(), life.clone(), request, caller)
        })
    };
    let connection = Box::new(worker.http1.serve_connection(TokioIo::new(wire), service));
    life.set_buffers(true);
    let next = drive(connection, life, interim).await;
    life.set_buffers(false);
    next
}

async fn drive<S, B>(mut connection: Box<http1::Connection<TokioIo<Wire>, S>>, life: &Life, interim: &Queue) -> Next
where
    S: Service<Request<Incoming>, Response = http::Response<B>, Error = std::convert::Infallible, Future: Unpin> + Unpin,
    B: http_body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    poll_fn(|cx| {
        interim.wakes(cx.waker());
        Poll::Ready(())
    })
    .await;
    let end = poll_fn(|cx| {
        let order = life.take_order(cx);
        // First, because bytes that have come make an order void.
        if let Poll::Ready(end) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(Ok(end));
        }
        match (order, life.phase()) {
            (Some(Order::Cut), _) => Poll::Ready(Err(Order::Cut)),
            (Some(Order::TooSlow), Phase::Head) => Poll::Ready(Err(Order::TooSlow)),
            (Some(order @ (Order::Park | Order::Close)), Phase::Idle) => {
                // Ends an idle connection here and now, and leaves a busy one to close after its answer.
                Pin::new(&mut *connection).graceful_shutdown();
                connection.poll_without_shutdown(cx).map(|_| Err(order))
            }
            _ => Poll::Pending,
        }
    })
    .await;
    if matches!(end, Err(Order::Cut)) {
        return Next::Gone;
    }
    let parts = connection.into_parts();
    let mut wire = parts.io.into_inner();
    match end {
        Err(Order::Park) => {
            wire.put_back(&parts.read_buf);
            Next::Park(wire)
        }
        Err(Order::TooSlow) => {
            Next::Farewell(wire, Some((StatusCode::REQUEST_TIMEOUT, "the head of the request did not come in time")))
        }
        Ok(_) if wire.has_two_lengths() => {
            // With an answer under way this one could be taken for a part of it.
            let told = (StatusCode::BAD_REQUEST, "send either Content-Length or Transfer-Encoding, not both");
            Next::Farewell(wire, (life.phase() == Phase::Head).then_some(told))
        }
        Ok(ended) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            if wire.is_over() { Next::Gone } else { Next::Farewell(wire, None) }
        }
        Err(_) => Next::Farewell(wire, None),
    }
}

/// An answer of the door's own, where hyper has none.
async fn tell(wire: &mut Wire, status: StatusCode, detail: &str) -> std::io::Result<()> {
    let (parts, body) = problem(status, detail).into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
        length = body.len()
    );
    wire.write_all(&[head.as_bytes(), &body].concat()).await
}

/// Ends this side, and waits until the caller has ended the other.
async fn farewell(wire: Wire, life: &Life) {
    if !wire.is_over() {
        part(wire, life).await;
    }
}

/// The same for any transport.
pub(super) async fn part(mut stream: impl AsyncRead + AsyncWrite + Unpin, life: &Life) {
    life.enter(Phase::Farewell);
    let parting = Box::pin(async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(FAREWELL_BYTES), &mut tokio::io::sink()).await
    });
    // However it ends, it ends.
    let _ = unless_cut(life, parting).await;
}

/// The work, or nothing if the connection is cut first.
pub(super) async fn unless_cut<T>(life: &Life, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| match life.take_order(cx) {
        Some(Order::Cut) => Poll::Ready(None),
        _ => work.as_mut().poll(cx).map(Some),
    })
    .await
}
