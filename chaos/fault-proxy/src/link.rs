//! One directed link: its listener, its condition, and what went over it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::{
    condition::{Condition, Way},
    connection::carry,
    schedule::Line,
    wire::LinkSpec,
};

/// Connections of one link at once; more wait in the kernel's queue. A pool of the storefront has up to 256.
const MAX_CONNECTIONS: usize = 2_048;

/// The kernel's queue.
const BACKLOG: i32 = 1_024;

/// Before the next try where a connection could not be accepted, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub(crate) fn of(self, condition: &Condition) -> Way {
        match self {
            Self::Forward => condition.forward,
            Self::Backward => condition.backward,
        }
    }
}

/// What all connections of a link share.
pub(crate) struct Shared {
    pub(crate) spec: LinkSpec,
    pub(crate) condition: watch::Sender<Condition>,
    /// What times of the schedule are counted from.
    pub(crate) began: Instant,
    lines: [Mutex<Line>; 2],
    bytes: [AtomicU64; 2],
    pub(crate) accepted: AtomicU64,
    pub(crate) open: AtomicU64,
    resets: AtomicU64,
    pub(crate) throttled: AtomicU64,
    places: Semaphore,
}

impl Shared {
    pub(crate) fn new(spec: LinkSpec) -> Arc<Self> {
        Arc::new(Self {
            condition: watch::Sender::new(spec.base),
            spec,
            began: Instant::now(),
            lines: Default::default(),
            bytes: Default::default(),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            places: Semaphore::new(MAX_CONNECTIONS),
        })
    }

    pub(crate) fn line(&self, direction: Direction) -> MutexGuard<'_, Line> {
        self.lines[direction as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, direction: Direction, bytes: usize) {
        self.bytes[direction as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self, direction: Direction) -> u64 {
        self.bytes[direction as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count_reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The port of a link. It is kept also while connections are refused: a socket that is bound and does not listen keeps others off, and the
/// kernel refuses for it.
pub(crate) struct Door {
    _keeper: Socket,
    address: SocketAddr,
    listener: Option<TcpListener>,
}

impl Door {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let keeper = socket(address)?;
        let address = keeper.local_addr()?.as_socket().unwrap_or(address);
        let mut door = Self { _keeper: keeper, address, listener: None };
        door.listen(true)?;
        Ok(door)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&mut self, wanted: bool) -> io::Result<()> {
        if !wanted {
            self.listener = None;
        } else if self.listener.is_none() {
            let socket = socket(self.address)?;
            socket.listen(BACKLOG)?;
            self.listener = Some(TcpListener::from_std(socket.into())?);
        }
        Ok(())
    }
}

/// Accepts for ever.
pub(crate) async fn accept(mut door: Door, link: Arc<Shared>) {
    let mut condition = link.condition.subscribe();
    loop {
        let refuses = condition.borrow_and_update().refuse;
        if let Err(error) = door.listen(!refuses) {
            tracing::error!(link = link.spec.name, %error, "the link cannot listen");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        }
        let Some(listener) = &door.listener else {
            if condition.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            biased;
            changed = condition.changed() => if changed.is_err() { return },
            () = accept_one(listener, &link) => {}
        }
    }
}

async fn accept_one(listener: &TcpListener, link: &Arc<Shared>) {
    let Ok(place) = link.places.acquire().await else { return };
    match listener.accept().await {
        Ok((caller, _)) => {
            place.forget();
            link.accepted.fetch_add(1, Ordering::Relaxed);
            link.open.fetch_add(1, Ordering::Relaxed);
            let link = link.clone();
            tokio::spawn(async move {
                carry(caller, link.clone()).await;
                link.open.fetch_sub(1, Ordering::Relaxed);
                link.places.add_permits(1);
            });
        }
        Err(error) => {
            tracing::warn!(link = link.spec.name, %error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}
