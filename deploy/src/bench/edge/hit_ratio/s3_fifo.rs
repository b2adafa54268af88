//! S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a main queue for those asked for again, and a memory of names
//! that left the small one.

use super::{
    Policy,
    queues::{Objects, Queue},
};

/// Share of the budget for newcomers, and of the memory of names by the bytes they had (the paper's and its simulator's).
const SMALL_SHARE: f64 = 0.1;
const GHOST_SHARE: f64 = 0.9;

/// Requests remembered of an object: two bits.
const MOST: u8 = 3;

/// Requests after its first that bring an object from the small into the main queue.
const PROMOTED_FROM: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Small,
    Main,
    /// Only its name.
    Ghost,
}

#[derive(Debug)]
pub(super) struct S3Fifo {
    all: Objects,
    small: Queue,
    main: Queue,
    ghost: Queue,
    place: Vec<Place>,
    times: Vec<u8>,
    budget: u64,
    small_budget: u64,
    ghost_budget: u64,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a budget is no larger than it")]
fn share(budget: u64, of: f64) -> u64 {
    (budget as f64 * of) as u64
}

impl S3Fifo {
    pub(super) fn new(objects: usize, budget: u64) -> Self {
        Self {
            all: Objects::new(objects),
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
            place: vec![Place::Nowhere; objects],
            times: vec![0; objects],
            budget,
            small_budget: share(budget, SMALL_SHARE),
            ghost_budget: share(budget, GHOST_SHARE),
        }
    }

    fn evict(&mut self) {
        if self.small.bytes() > self.small_budget || self.main.bytes() == 0 {
            self.evict_from_small();
        } else {
            self.evict_from_main();
        }
    }

    fn evict_from_small(&mut self) {
        while let Some((object, bytes)) = self.small.pop(&mut self.all) {
            let at = object as usize;
            if self.times[at] >= PROMOTED_FROM {
                self.times[at] = 0;
                self.place[at] = Place::Main;
                self.main.push(&mut self.all, object, bytes);
                continue;
            }
            self.place[at] = Place::Ghost;
            self.ghost.push(&mut self.all, object, bytes);
            while self.ghost.bytes() > self.ghost_budget
                && let Some((forgotten, _)) = self.ghost.pop(&mut self.all)
            {
                self.place[forgotten as usize] = Place::Nowhere;
            }
            return;
        }
    }

    fn evict_from_main(&mut self) {
        while let Some((object, bytes)) = self.main.pop(&mut self.all) {
            let at = object as usize;
            if self.times[at] == 0 {
                self.place[at] = Place::Nowhere;
                return;
            }
            self.times[at] -= 1;
            self.main.push(&mut self.all, object, bytes);
        }
    }
}

impl Policy for S3Fifo {
    fn request(&mut self, object: u32, bytes: u32) -> bool {
        let at = object as usize;
        if matches!(self.place[at], Place::Small | Place::Main) {
            self.times[at] = (self.times[at] + 1).min(MOST);
            return true;
        }
        let known = self.place[at] == Place::Ghost;
        if known {
            self.ghost.remove(&mut self.all, object);
            self.place[at] = Place::Nowhere;
        }
        while self.small.bytes() + self.main.bytes() + u64::from(bytes) > self.budget
            && self.small.bytes() + self.main.bytes() > 0
        {
            self.evict();
        }
        self.times[at] = 0;
        let (queue, place) = if known { (&mut self.main, Place::Main) } else { (&mut self.small, Place::Small) };
        queue.push(&mut self.all, object, bytes);
        self.place[at] = place;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_once_goes_and_what_is_asked_for_often_stays() {
        let mut cache = S3Fifo::new(1_000, 100);
        (0..3).for_each(|_| {
            cache.request(0, 10);
        });
        (1..200).for_each(|object| {
            assert!(!cache.request(object, 10));
        });
        assert!(cache.request(0, 10), "199 newcomers do not push out what was asked for three times");
    }

    #[test]
    fn one_whose_name_is_remembered_goes_to_the_main_queue() {
        let mut cache = S3Fifo::new(100, 100);
        (0..11).for_each(|object| {
            cache.request(object, 10);
        });
        assert_eq!(cache.place[0], Place::Ghost);
        assert!(!cache.request(0, 10));
        assert_eq!(cache.place[0], Place::Main);
        assert!(cache.small.bytes() + cache.main.bytes() <= 100);
    }
}
