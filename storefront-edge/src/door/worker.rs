//! One thread: its runtime, its listener, its connections.

use std::{
    cell::{Cell, RefCell},
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use http::StatusCode;
use hyper::server::conn::{http1, http2};
use slab::Slab;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::{Notify, mpsc},
};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Handler, MAX_HEAD_BYTES, connection,
    crew::{Crew, Passed},
    life::{Life, Phase, TICKS_PER_SECOND, Tick},
    listen::take_no_more,
    short::READ_BYTES,
    streams::{self, OnThisThread},
    sweep::sweep,
    tls::Tls,
};

/// Pause after a failed accept, as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Failures when the last ones are taken: at 50 ms each a second, in which other connections end and free what those need.
const MAX_FAILED_LAST: u32 = 20;

/// For handshakes that had begun when the process was told to stop: one round trip.
const LAST_CALL: Duration = Duration::from_millis(250);

/// What a thread is given.
pub(super) struct Thread {
    pub(super) number: usize,
    pub(super) listener: StdListener,
    pub(super) crew: Crew,
    pub(super) passed: mpsc::Receiver<Passed>,
    /// Connections at once.
    pub(super) limit: usize,
    pub(super) stall_limit: Duration,
    pub(super) work: TaskTracker,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) shutdown: CancellationToken,
    /// End at once.
    pub(super) cut: CancellationToken,
}

/// What the connections of a thread share.
pub(super) struct Worker<H> {
    pub(super) handler: H,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<OnThisThread>,
    pub(super) tls: Option<Tls>,
    pub(super) now: Rc<Cell<Tick>>,
    pub(super) lives: RefCell<Slab<Rc<Life>>>,
    /// Of the short way: bytes read, and the head of an answer.
    pub(super) scratch: RefCell<(Box<[u8]>, Vec<u8>)>,
    pub(super) stall_limit: Tick,
    crew: Crew,
    work: TaskTracker,
    limit: usize,
    label: String,
    draining: Cell<Option<Tick>>,
    /// A connection has ended while all places were taken, or while the last ones are waited for.
    ended: Notify,
}

/// Serves on the thread that calls it.
pub(super) fn run<H: Handler>(thread: Thread, make: impl FnOnce() -> H) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let cut = thread.cut.clone();
    let served = runtime.block_on(async {
        let worker = Rc::new(Worker::new(make(), &thread));
        let gate = Gate { listener: TcpListener::from_std(thread.listener)?, passed: thread.passed };
        tokio::select! {
            () = worker.serve(gate, &thread.shutdown) => {}
            () = sweep(&worker) => {}
            () = cut.cancelled() => {}
        }
        Ok(())
    });
    // Whatever was left is cut off; a blocking call of a library must not hold the process.
    runtime.shutdown_background();
    served
}

impl<H> Worker<H> {
    fn new(handler: H, thread: &Thread) -> Self {
        let mut http1 = http1::Builder::new();
        // Without a timer there is no timeout for each head: the sweep has it. An answer is written before the next head is read,
        // which 1xx answers to that one rely on: `pipeline_flush` stays off.
        http1.max_header_size(MAX_HEAD_BYTES).pipeline_flush(false);
        Self {
            handler,
            http1,
            http2: streams::builder(),
            tls: thread.tls.clone().map(Tls::new),
            now: Rc::default(),
            lives: RefCell::default(),
            scratch: RefCell::new((vec![0; READ_BYTES].into(), Vec::new())),
            stall_limit: ticks(thread.stall_limit),
            crew: thread.crew.clone(),
            work: thread.work.clone(),
            limit: thread.limit,
            label: thread.number.to_string(),
            draining: Cell::new(None),
            ended: Notify::new(),
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    pub(super) fn drains_since(&self) -> Option<Tick> {
        self.draining.get()
    }

    /// Whether nine of ten places are taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.lives.borrow().len() >= self.limit - self.limit / 10
    }

    fn tell_crew(&self) {
        self.crew.tell(self.lives.borrow().len());
    }

    pub(super) fn count_refused(&self, status: StatusCode) {
        metrics::counter!("edge_connections_refused_total", "status" => status.as_u16().to_string()).increment(1);
    }

    pub(super) fn tell_metrics(&self, parked: usize) {
        let open = self.lives.borrow().len();
        metrics::gauge!("edge_connections", "worker" => self.label.clone()).set(open as f64);
        metrics::gauge!("edge_connections_parked", "worker" => self.label.clone()).set(parked as f64);
    }
}

impl<H: Handler> Worker<H> {
    /// Takes connections until `shutdown`, then serves those that are there to their end.
    async fn serve(self: &Rc<Self>, mut gate: Gate, shutdown: &CancellationToken) {
        tokio::select! {
            () = self.accept(&mut gate) => {}
            () = shutdown.cancelled() => {}
        }
        self.draining.set(Some(self.now.get()));
        self.lives.borrow().iter().for_each(|(_, life)| life.wake());
        if let Err(error) = take_no_more(&gate.listener) {
            tracing::warn!(%error, "connections that come now may be reset");
        }
        tokio::select! {
            () = self.accept(&mut gate) => {}
            () = tokio::time::sleep(LAST_CALL) => {}
        }
        // What has come by now is here: no turn of the runtime is given up between two looks, as a budget would have it.
        let next = async || tokio::task::coop::unconstrained(gate.next()).now_or_never();
        take_rest(next, |(Came::Accepted(stream) | Came::Passed(stream), address)| self.begin(stream, address)).await;
        drop(gate);
        while !self.lives.borrow().is_empty() {
            self.ended.notified().await;
        }
        self.crew.wait_for_others().await;
        // No connection is left that could begin more of it.
        self.work.close();
        self.work.wait().await;
    }

    /// Never returns.
    async fn accept(self: &Rc<Self>, gate: &mut Gate) {
        loop {
            while self.lives.borrow().len() >= self.limit {
                // The others wait in the kernel; those that idle here are closed soon, see `judge`.
                self.ended.notified().await;
            }
            match gate.next().await {
                Ok((Came::Passed(stream), address)) => self.begin(stream, address),
                Ok((Came::Accepted(stream), address)) => {
                    // A thread that is about to stop would not get it any more.
                    let kept = if self.is_draining() { Some(stream) } else { self.crew.pass(stream, address) };
                    if let Some(stream) = kept {
                        self.begin(stream, address);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn begin(self: &Rc<Self>, stream: TcpStream, address: SocketAddr) {
        let phase = if self.tls.is_some() { Phase::Handshake } else { Phase::Idle };
        let life = Rc::new(Life::new(self.now.clone(), phase));
        let place = Place { at: self.lives.borrow_mut().insert(life.clone()), worker: self.clone() };
        self.tell_crew();
        tokio::task::spawn_local(async move {
            connection::serve(place.worker.clone(), stream, address, life).await;
            drop(place);
        });
    }
}

/// Takes everything that is there. What cannot be taken is no reason to leave the others behind.
async fn take_rest<T>(mut next: impl AsyncFnMut() -> Option<std::io::Result<T>>, mut begin: impl FnMut(T)) {
    let mut failed = 0;
    while failed < MAX_FAILED_LAST
        && let Some(came) = next().await
    {
        match came {
            Ok(came) => begin(came),
            Err(error) => {
                failed += 1;
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn ticks(of: Duration) -> Tick {
    u32::try_from(of.as_millis() * u128::from(TICKS_PER_SECOND) / 1_000).unwrap_or(u32::MAX)
}

/// Where a thread's connections come from.
struct Gate {
    listener: TcpListener,
    passed: mpsc::Receiver<Passed>,
}

enum Came {
    Accepted(TcpStream),
    Passed(TcpStream),
}

impl Gate {
    async fn next(&mut self) -> std::io::Result<(Came, SocketAddr)> {
        tokio::select! {
            biased;
            Some((stream, address)) = self.passed.recv() => Ok((Came::Passed(TcpStream::from_std(stream)?), address)),
            accepted = self.listener.accept() => accepted.map(|(stream, address)| (Came::Accepted(stream), address)),
        }
    }
}

/// A connection's place among those of its thread.
struct Place<H> {
    at: usize,
    worker: Rc<Worker<H>>,
}

impl<H> Drop for Place<H> {
    fn drop(&mut self) {
        self.worker.lives.borrow_mut().remove(self.at);
        self.worker.tell_crew();
        self.worker.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use storefront_service::shared_listener;

    use super::*;

    #[tokio::test]
    async fn one_that_cannot_be_taken_leaves_the_others_to_be_taken() {
        let broken = || Some(Err(Error::from(ErrorKind::ConnectionAborted)));
        let mut came = vec![Some(Ok(1)), broken(), Some(Ok(2)), broken(), broken(), Some(Ok(3)), None, Some(Ok(4))].into_iter();
        let mut taken = Vec::new();
        take_rest(async || came.next().flatten(), |nth| taken.push(nth)).await;
        assert_eq!(taken, [1, 2, 3]);
        // One that never gets better ends.
        take_rest(async || broken(), |nth| taken.push(nth)).await;
    }

    #[tokio::test]
    async fn a_last_look_takes_all_that_wait() {
        const WAITING: usize = 300;
        let listener = shared_listener(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (_passing, passed) = mpsc::channel(1);
        let mut gate = Gate { listener, passed };
        let mut callers = Vec::new();
        for _ in 0..WAITING {
            callers.push(TcpStream::connect(address).await.unwrap());
        }
        gate.listener.accept().await.unwrap();
        let mut taken = 1;
        take_rest(async || tokio::task::coop::unconstrained(gate.next()).now_or_never(), |_| taken += 1).await;
        assert_eq!(taken, WAITING);
    }
}
