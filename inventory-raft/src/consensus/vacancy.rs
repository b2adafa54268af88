//! An election that does not wait for the leader's silence, where its process is seen to be gone.
//!
//! The connections of a process that is killed are closed, and its port refuses new ones. Then nobody listens there, and all that is waited for
//! is the leader's lease. A hint, no more: votes are asked for by a pre-vote, which followers whose lease is not over refuse, and which a leader
//! that lives does not lose its place by. Where a machine or a link fails nothing refuses, and the election timeout decides.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use openraft::async_runtime::WatchReceiver;
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{node::Raft, silence::election_timeouts, type_config::Vote};

/// Attempts to reach a leader whose stream has ended. A process on its way out may still have its port for a moment.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// Longest wait for one of them: whoever refuses does so at once.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(200);

/// The followers ask for votes one after the other, so that they do not split them: each so much of the silence after the one before.
const TURNS_IN_A_SILENCE: u32 = 10;

/// Where the end of a leader's stream is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Vacancy(Arc<Notify>);

/// Tells of its end when it is dropped, however that came.
pub(super) struct Stream(Vacancy);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.0.notify_one();
    }
}

impl Vacancy {
    /// Of the stream that a leader has begun.
    pub(super) fn stream(&self) -> Stream {
        Stream(self.clone())
    }

    /// Follows the ends of streams for as long as Raft lives.
    pub(super) async fn follow(self, raft: Raft, node_id: u64, silence: Duration) {
        let mut alive = raft.server_metrics();
        loop {
            tokio::select! {
                () = self.0.notified() => {}
                changed = alive.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
            let Some(seat) = Seat::of(&raft, node_id) else { continue };
            let seen = Instant::now();
            if !is_refused(&seat.address).await {
                continue;
            }
            let (_, lease) = election_timeouts(silence);
            sleep_until(seen + lease + seat.turn * (silence / TURNS_IN_A_SILENCE)).await;
            if Seat::of(&raft, node_id).is_some_and(|now| now.vote == seat.vote) {
                tracing::info!(leader = seat.leader, "the leader's process is gone; asking for votes");
                metrics::counter!("inventory_elections_for_the_gone_total").increment(1);
                let _ = raft.trigger().elect(true).await;
            }
        }
    }
}

/// Who leads, as a follower sees it.
struct Seat {
    leader: u64,
    address: String,
    vote: Vote,
    /// Place of this node among the voters that follow, from 0.
    turn: u32,
}

impl Seat {
    /// `None` on a node that follows nobody, or may not vote.
    fn of(raft: &Raft, node_id: u64) -> Option<Self> {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader.filter(|leader| *leader != node_id)?;
        let address = metrics.membership_config.get_node(&leader)?.raft.clone();
        let mut voters: Vec<u64> = metrics.membership_config.voter_ids().filter(|id| *id != leader).collect();
        voters.sort_unstable();
        let turn = voters.iter().position(|id| *id == node_id)?;
        Some(Self { leader, address, vote: metrics.vote, turn: u32::try_from(turn).unwrap_or(u32::MAX) })
    }
}

/// Whether nobody listens there, as the other machine says itself.
async fn is_refused(address: &str) -> bool {
    for _ in 0..ATTEMPTS {
        match timeout(ATTEMPT_LIMIT, TcpStream::connect(address)).await {
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => return true,
            Ok(Ok(_)) => sleep(PAUSE).await,
            Ok(Err(_)) | Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_is_refused_once_nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(!is_refused(&address).await);
        drop(listener);
        assert!(is_refused(&address).await);
    }

    #[tokio::test]
    async fn the_end_of_a_stream_is_told_however_it_came() {
        let vacancy = Vacancy::default();
        drop(vacancy.stream());
        timeout(Duration::from_secs(10), vacancy.0.notified()).await.unwrap();
    }
}
