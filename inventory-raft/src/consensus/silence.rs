//! How long a leader may be silent before it is replaced, in openraft's terms.
//!
//! Pure. A follower asks for votes when the leader's lease is over, which openraft takes to be the longest election timeout, and then a drawn
//! timeout. Silence until then: the shortest is lease + shortest timeout, the longest lease + longest timeout.

use std::time::Duration;

/// Share of the silence that is the shortest timeout; the rest is the lease, and the longest. So the longest silence is 1.3 times the shortest.
/// Two followers draw from 30 % of the silence: where a message between them takes 5 % of it, as with WAN latency, they split the vote in
/// a third of all elections, and repeat it after half of the silence; on one site hardly ever. A wider span splits less and is slower always.
const SHORTEST_TIMEOUT_PERCENT: u32 = 35;

/// Shortest and longest election timeout for a leader that may be silent for `silence`.
pub(super) fn election_timeouts(silence: Duration) -> (Duration, Duration) {
    let shortest = silence * SHORTEST_TIMEOUT_PERCENT / 100;
    (shortest, silence.saturating_sub(shortest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_replaced_after_one_to_one_point_three_times_the_silence() {
        let (shortest, longest) = election_timeouts(Duration::from_millis(400));
        assert_eq!((shortest.as_millis(), longest.as_millis()), (140, 260));
        let lease = longest;
        assert_eq!((lease + shortest, lease + longest), (Duration::from_millis(400), Duration::from_millis(520)));
    }
}
