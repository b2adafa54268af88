//! Faults that end by themselves: each is held until a time, and for longer only when somebody renews it. Pure; the clock comes in.

use std::{collections::BTreeMap, time::Duration};

/// Faults at once. An experiment has a handful.
pub const MAX_FAULTS: usize = 1_000;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there are {MAX_FAULTS} faults already; heal some")]
pub struct Full;

struct Held<T> {
    until: Duration,
    what: T,
}

/// What is held, by the names that its holders gave.
pub struct Leases<T> {
    held: BTreeMap<String, Held<T>>,
}

impl<T> Default for Leases<T> {
    fn default() -> Self {
        Self { held: BTreeMap::new() }
    }
}

impl<T> Leases<T> {
    /// Gives what was held under that name before.
    pub fn set(&mut self, id: &str, what: T, until: Duration) -> Result<Option<T>, Full> {
        if self.held.len() >= MAX_FAULTS && !self.held.contains_key(id) {
            return Err(Full);
        }
        Ok(self.held.insert(id.to_owned(), Held { until, what }).map(|held| held.what))
    }

    /// Whether there still is such a one. A lease is never shortened.
    pub fn renew(&mut self, id: &str, until: Duration) -> bool {
        let held = self.held.get_mut(id);
        held.map(|held| held.until = held.until.max(until)).is_some()
    }

    pub fn end(&mut self, id: &str) -> Option<T> {
        self.held.remove(id).map(|held| held.what)
    }

    pub fn end_all(&mut self) -> Vec<(String, T)> {
        std::mem::take(&mut self.held).into_iter().map(|(id, held)| (id, held.what)).collect()
    }

    /// Takes out what nobody renewed.
    pub fn expire(&mut self, now: Duration) -> Vec<(String, T)> {
        self.held.extract_if(.., |_, held| held.until <= now).map(|(id, held)| (id, held.what)).collect()
    }

    /// Name, what, and until when.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T, Duration)> {
        self.held.iter().map(|(id, held)| (id.as_str(), &held.what, held.until))
    }

    pub fn get(&self, id: &str) -> Option<&T> {
        self.held.get(id).map(|held| &held.what)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, u64),
        Renew(u8, u64),
        End(u8),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..4, 1_u64..50).prop_map(|(id, lease)| Step::Set(id, lease)),
            (0_u8..4, 1_u64..50).prop_map(|(id, lease)| Step::Renew(id, lease)),
            (0_u8..4).prop_map(Step::End),
            (1_u64..40).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against a list of who spoke last: whoever is silent for longer than the lease holds nothing.
        #[test]
        fn what_nobody_renews_ends(steps in prop::collection::vec(step(), 1..60)) {
            let (mut leases, mut naive, mut now) = (Leases::default(), BTreeMap::<u8, u64>::new(), 0_u64);
            for step in steps {
                match step {
                    Step::Set(id, lease) => {
                        leases.set(&id.to_string(), id, Duration::from_secs(now + lease)).unwrap();
                        naive.insert(id, now + lease);
                    }
                    Step::Renew(id, lease) => {
                        let renewed = leases.renew(&id.to_string(), Duration::from_secs(now + lease));
                        prop_assert_eq!(renewed, naive.contains_key(&id));
                        naive.entry(id).and_modify(|until| *until = (*until).max(now + lease));
                    }
                    Step::End(id) => prop_assert_eq!(leases.end(&id.to_string()), naive.remove(&id).map(|_| id)),
                    Step::Wait(time) => now += time,
                }
                leases.expire(Duration::from_secs(now));
                naive.retain(|_, until| *until > now);
                let held: Vec<u8> = leases.iter().map(|(_, id, _)| *id).collect();
                prop_assert_eq!(held, naive.keys().copied().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn there_is_an_end_to_faults() {
        let mut leases = Leases::default();
        for id in 0..MAX_FAULTS {
            leases.set(&id.to_string(), id, Duration::MAX).unwrap();
        }
        assert_eq!(leases.set("more", 0, Duration::MAX), Err(Full));
        assert_eq!(leases.set("7", 8, Duration::MAX), Ok(Some(7)), "one that is there is replaced");
        assert_eq!(leases.end_all().len(), MAX_FAULTS);
    }
}
