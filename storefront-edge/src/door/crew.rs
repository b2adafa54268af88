//! The threads of a port. The kernel deals connections out by their addresses: of 64 one thread may get 40 and the other 24, and is
//! then busy while the other waits. A thread with too many passes a new one on.

use std::{
    net::{SocketAddr, TcpStream as StdStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::TcpStream, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// Connections on their way to one thread. It takes them within a turn of its loop; when it does not, callers keep theirs.
const MAX_PASSED: usize = 256;

/// A connection that another thread has accepted.
pub(super) type Passed = (StdStream, SocketAddr);

#[derive(Debug)]
struct Member {
    open: AtomicUsize,
    passing: mpsc::Sender<Passed>,
}

/// One thread among the others.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    members: Arc<[Member]>,
    own: usize,
    /// Threads that still serve.
    serving: Arc<AtomicUsize>,
    over: CancellationToken,
}

impl Crew {
    /// For each thread its place and what is passed to it.
    pub(super) fn of(threads: usize) -> Vec<(Self, mpsc::Receiver<Passed>)> {
        let (passing, passed): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel(MAX_PASSED)).unzip();
        let members: Arc<[Member]> = passing.into_iter().map(|passing| Member { open: AtomicUsize::new(0), passing }).collect();
        let (serving, over) = (Arc::new(AtomicUsize::new(threads)), CancellationToken::new());
        let crew = |own| Self { members: members.clone(), own, serving: serving.clone(), over: over.clone() };
        (0..threads).map(crew).zip(passed).collect()
    }

    /// This thread has served its last connection. Waits for the others: their requests may go over connections to services that
    /// were opened here and end with this thread's runtime.
    pub(super) async fn wait_for_others(&self) {
        if self.serving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.cancel();
        }
        self.over.cancelled().await;
    }

    /// This thread has so many connections now.
    pub(super) fn tell(&self, open: usize) {
        self.members[self.own].open.store(open, Ordering::Relaxed);
    }

    /// Passes a connection to a thread that has fewer. Given back: it stays here.
    pub(super) fn pass(&self, stream: TcpStream, address: SocketAddr) -> Option<TcpStream> {
        let open = |member: &Member| member.open.load(Ordering::Relaxed);
        let Some(least) = self.members.iter().min_by_key(|member| open(member)) else { return Some(stream) };
        if !is_too_many(open(&self.members[self.own]), open(least)) {
            return Some(stream);
        }
        let Ok(place) = least.passing.try_reserve() else { return Some(stream) };
        // Known at once, so that others do not pass theirs to the same one.
        least.open.fetch_add(1, Ordering::Relaxed);
        match stream.into_std() {
            Ok(stream) => place.send((stream, address)),
            Err(error) => tracing::debug!(%error, "a connection was lost on its way to another thread"),
        }
        None
    }
}

/// Of connections without the new one. Passing it on costs some microseconds, so that a difference of one in 64 is let be.
fn is_too_many(own: usize, least: usize) -> bool {
    own > least + least / 64
}

#[cfg(test)]
mod tests {
    use super::is_too_many;

    #[test]
    fn few_connections_are_spread_evenly_and_many_about_so() {
        assert!(!is_too_many(0, 0) && is_too_many(1, 0) && is_too_many(33, 32) && !is_too_many(32, 32));
        assert!(!is_too_many(50_500, 50_000) && is_too_many(51_000, 50_000));
    }
}
