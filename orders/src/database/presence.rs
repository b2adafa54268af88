//! Whether PostgreSQL counts as there. Pure: the time comes in.
//!
//! It is away when a call heard nothing and no other call heard anything since that one began: one slow statement, or a pool that is full, is not
//! an outage. While it is away, whoever watches it tries it once a second and every call is told at once; where nobody watches, one call in a second
//! tries it.

use std::time::Duration;

/// After PostgreSQL did not answer, one call in so long tries it.
pub(super) const PROBE_EVERY: Duration = Duration::from_millis(1_000);

#[derive(Debug)]
pub(super) struct Presence {
    /// When it last said anything.
    heard_at: Option<Duration>,
    /// When it is tried again; `None` while it is there.
    probe_at: Option<Duration>,
    /// Somebody else tries it: no call waits for it while it is away.
    watched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Yes,
    No,
}

impl Presence {
    pub(super) const fn new() -> Self {
        Self { heard_at: None, probe_at: None, watched: false }
    }

    pub(super) fn watch(&mut self) {
        self.watched = true;
    }

    pub(super) fn is_away(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Whether a call may wait for PostgreSQL now. While it is away, the one that may takes the turn.
    pub(super) fn admit(&mut self, now: Duration) -> Admitted {
        match &mut self.probe_at {
            None => Admitted::Yes,
            Some(at) if *at <= now && !self.watched => {
                *at = now + PROBE_EVERY;
                Admitted::Yes
            }
            Some(_) => Admitted::No,
        }
    }

    /// It answered, be it with a refusal.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard_at = Some(self.heard_at.map_or(now, |last| last.max(now)));
        self.probe_at = None;
    }

    /// A call that began then heard nothing.
    pub(super) fn unheard(&mut self, began: Duration, now: Duration) {
        if self.heard_at.is_none_or(|last| last < began) {
            self.gone(now);
        }
    }

    /// The connection broke, or it says that it goes.
    pub(super) fn gone(&mut self, now: Duration) {
        self.probe_at = Some(now + PROBE_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_slow_call_beside_quick_ones_is_no_outage() {
        let mut presence = Presence::new();
        assert_eq!(presence.admit(at(0)), Admitted::Yes);
        presence.heard(at(900));
        presence.unheard(at(0), at(1_500));
        assert_eq!(presence.admit(at(1_501)), Admitted::Yes);
    }

    #[test]
    fn silence_is_an_outage_in_which_one_call_a_second_tries() {
        let mut presence = Presence::new();
        presence.heard(at(10));
        presence.unheard(at(20), at(1_520));
        assert_eq!(presence.admit(at(1_521)), Admitted::No);
        assert_eq!(presence.admit(at(2_520)), Admitted::Yes);
        assert_eq!(presence.admit(at(2_521)), Admitted::No, "one tries");
        presence.heard(at(2_530));
        assert_eq!(presence.admit(at(2_531)), Admitted::Yes);
    }

    #[test]
    fn where_it_is_watched_no_call_waits_for_it() {
        let mut presence = Presence::new();
        presence.watch();
        assert_eq!(presence.admit(at(0)), Admitted::Yes);
        presence.gone(at(10));
        assert_eq!(presence.admit(at(60_000)), Admitted::No);
        presence.heard(at(60_001));
        assert_eq!(presence.admit(at(60_002)), Admitted::Yes);
    }

    #[test]
    fn a_broken_connection_counts_at_once() {
        let mut presence = Presence::new();
        presence.heard(at(10));
        presence.gone(at(11));
        assert_eq!(presence.admit(at(12)), Admitted::No);
        assert_eq!(presence.admit(at(1_011)), Admitted::Yes);
    }
}
