//! What is held until when, and what could not be made whole: that is tried again until it can. Pure; the clock comes in.

use std::{collections::BTreeMap, time::Duration};

use deploy_api::Hold;
use fault_proxy::{Full, Leases};

/// Pause before something that failed is tried again: twice as long each time, up to half a minute.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST_AGAIN: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Held {
    leases: Leases<Hold>,
    /// How often each was tried in vain. It is broken as long as it is here.
    failed: BTreeMap<String, u32>,
}

impl Held {
    pub(super) fn get(&self, id: &str) -> Option<&Hold> {
        self.leases.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Hold, Duration)> {
        self.leases.iter()
    }

    pub(super) fn set(&mut self, hold: Hold, until: Duration) -> Result<(), Full> {
        self.leases.set(&hold.id.clone(), hold, until).map(drop)
    }

    /// Whether there still is such a one. What is half undone is nobody's any more.
    pub(super) fn renew(&mut self, id: &str, until: Duration) -> bool {
        !self.failed.contains_key(id) && self.leases.renew(id, until)
    }

    /// Taken out, to be made whole.
    pub(super) fn end(&mut self, id: &str) -> Option<Hold> {
        self.leases.end(id)
    }

    pub(super) fn end_all(&mut self) -> Vec<Hold> {
        self.leases.end_all().into_iter().map(|(_, hold)| hold).collect()
    }

    pub(super) fn expire(&mut self, now: Duration) -> Vec<Hold> {
        self.leases.expire(now).into_iter().map(|(_, hold)| hold).collect()
    }

    /// What became of one that was taken out.
    pub(super) fn tried(&mut self, hold: &Hold, is_whole: bool, now: Duration) {
        if is_whole {
            self.failed.remove(&hold.id);
            return;
        }
        let tries = self.failed.entry(hold.id.clone()).or_default();
        let pause = AGAIN.saturating_mul(1_u32.checked_shl(*tries).unwrap_or(u32::MAX)).min(LONGEST_AGAIN);
        *tries = tries.saturating_add(1);
        // It had a place until now.
        let _ = self.leases.set(&hold.id, hold.clone(), now + pause);
    }
}

#[cfg(test)]
mod tests {
    use deploy_api::ProcessFault;

    use super::*;

    fn seconds(of: u64) -> Duration {
        Duration::from_secs(of)
    }

    #[test]
    fn what_cannot_be_made_whole_is_tried_again_at_longer_and_longer_intervals_and_is_nobodys() {
        let (mut held, mut now) = (Held::default(), seconds(5));
        let hold = Hold { id: "a".to_owned(), processes: vec!["x".to_owned()], fault: ProcessFault::Down, lease_ms: 5_000 };
        held.set(hold, now).unwrap();
        assert!(held.expire(seconds(4)).is_empty() && held.renew("a", now));
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let taken = held.expire(now);
            assert_eq!((taken.len(), held.iter().count()), (1, 0));
            held.tried(&taken[0], false, now);
            assert!(!held.renew("a", seconds(1_000_000)), "nobody holds it any more");
            let again = held.iter().next().unwrap().2;
            assert!(held.expire(again - Duration::from_millis(1)).is_empty());
            pauses.push((again - now).as_secs());
            now = again;
        }
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(pauses[7..].iter().all(|pause| *pause == 30));
        let taken = held.end("a").unwrap();
        held.tried(&taken, true, now);
        assert!(held.get("a").is_none() && held.expire(seconds(10_000_000)).is_empty());
        held.set(taken, now).unwrap();
        assert!(held.renew("a", now), "whoever holds it anew renews it");
    }
}
