//! What may be forgotten, by when: a queue of groups, one for each millisecond.
//!
//! Times come in order, because the log's clock never goes back, so a queue does what a tree would at half the memory. Within a millisecond
//! ids are given out in their own order, so that a node that was restored forgets in the same order as one that was not.

use std::collections::VecDeque;

use uuid::Uuid;

use super::command::LogTime;

#[derive(Clone, Debug, Default)]
pub(crate) struct Due {
    groups: VecDeque<(LogTime, Vec<Uuid>)>,
    /// The first group was put in order and nothing came to it since.
    is_sorted: bool,
}

impl Due {
    /// Adds an id that is due at `at`, which is not before any that was added.
    pub(crate) fn add(&mut self, at: LogTime, id: Uuid) {
        if self.groups.len() <= 1 {
            self.is_sorted = false;
        }
        match self.groups.back_mut().filter(|(last, _)| *last >= at) {
            Some((_, ids)) => ids.push(id),
            None => self.groups.push_back((at, vec![id])),
        }
    }

    /// Takes the next id that is due at `now`.
    pub(crate) fn next(&mut self, now: LogTime) -> Option<Uuid> {
        let (at, ids) = self.groups.front_mut()?;
        if *at > now {
            return None;
        }
        if !self.is_sorted {
            // The last is taken first.
            ids.sort_unstable_by(|a, b| b.cmp(a));
            self.is_sorted = true;
        }
        let next = ids.pop();
        if ids.is_empty() {
            self.groups.pop_front();
            self.is_sorted = false;
        }
        next
    }

    /// The queue of these, which come in any order.
    pub(crate) fn of(all: impl IntoIterator<Item = (LogTime, Uuid)>) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable();
        let mut due = Self::default();
        all.into_iter().for_each(|(at, id)| due.add(at, id));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_ids_in_order_of_time_then_id_whatever_the_order_they_came_in() {
        let all: Vec<_> =
            [(1, 9), (1, 3), (1, 7), (2, 1), (4, 2), (4, 0)].map(|(at, id)| (LogTime(at), Uuid::from_u128(id))).into();
        let (mut added, mut restored) = (Due::default(), Due::of(all.iter().rev().copied()));
        all.iter().for_each(|(at, id)| added.add(*at, *id));
        for queue in [&mut added, &mut restored] {
            assert_eq!(queue.next(LogTime(0)), None);
            let early: Vec<u128> = std::iter::from_fn(|| queue.next(LogTime(2))).map(|id| id.as_u128()).collect();
            assert_eq!(early, [3, 7, 9, 1]);
            queue.add(LogTime(4), Uuid::from_u128(1));
            let late: Vec<u128> = std::iter::from_fn(|| queue.next(LogTime(9))).map(|id| id.as_u128()).collect();
            assert_eq!(late, [0, 1, 2]);
        }
    }
}
