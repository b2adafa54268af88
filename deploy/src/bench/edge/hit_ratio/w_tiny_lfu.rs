//! W-TinyLFU (Einziger et al. 2017), as Caffeine has it with its smallest window: a newcomer stays when it is asked for more often than what
//! would have to go for it.

use super::{
    Policy,
    queues::{Objects, Queue},
    sketch::Sketch,
};

/// Hundredths of the budget for newcomers; of the rest, hundredths for objects that were asked for again.
const WINDOW_PERCENT: u64 = 1;
const PROTECTED_PERCENT: u64 = 80;

/// Objects of the cache that the sketch is laid out for: one for 8 KiB.
const BYTES_OF_ONE: u64 = 8_192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Window,
    Probation,
    Protected,
}

#[derive(Debug)]
pub(super) struct WTinyLfu {
    all: Objects,
    window: Queue,
    probation: Queue,
    protected: Queue,
    place: Vec<Place>,
    sketch: Sketch,
    budget: u64,
    window_budget: u64,
    protected_budget: u64,
}

impl WTinyLfu {
    pub(super) fn new(objects: usize, budget: u64) -> Self {
        let window_budget = budget * WINDOW_PERCENT / 100;
        Self {
            all: Objects::new(objects),
            window: Queue::new(),
            probation: Queue::new(),
            protected: Queue::new(),
            place: vec![Place::Nowhere; objects],
            sketch: Sketch::new(usize::try_from(budget / BYTES_OF_ONE).unwrap_or_default()),
            budget,
            window_budget,
            protected_budget: (budget - window_budget) * PROTECTED_PERCENT / 100,
        }
    }

    fn hit(&mut self, object: u32) {
        match self.place[object as usize] {
            Place::Window => self.window.renew(&mut self.all, object),
            Place::Protected => self.protected.renew(&mut self.all, object),
            _ => self.protect(object),
        }
    }

    /// From probation; what is too much under protection goes back there.
    fn protect(&mut self, object: u32) {
        let bytes = self.probation.remove(&mut self.all, object);
        self.protected.push(&mut self.all, object, bytes);
        self.place[object as usize] = Place::Protected;
        while self.protected.bytes() > self.protected_budget
            && let Some((demoted, bytes)) = self.protected.pop(&mut self.all)
        {
            self.probation.push(&mut self.all, demoted, bytes);
            self.place[demoted as usize] = Place::Probation;
        }
    }

    fn is_over(&self) -> bool {
        self.window.bytes() + self.probation.bytes() + self.protected.bytes() > self.budget
    }

    /// One that leaves the window competes with the oldest on probation until there is room.
    fn compete(&mut self, candidate: u32, bytes: u32) {
        self.place[candidate as usize] = Place::Probation;
        self.probation.push(&mut self.all, candidate, bytes);
        while self.is_over() {
            let on_probation = self.probation.oldest().filter(|oldest| *oldest != candidate);
            let Some(victim) = on_probation.or_else(|| self.protected.oldest()) else { return self.drop_probation(candidate) };
            if self.sketch.times(candidate) <= self.sketch.times(victim) {
                return self.drop_probation(candidate);
            }
            match self.place[victim as usize] {
                Place::Protected => {
                    self.protected.remove(&mut self.all, victim);
                    self.place[victim as usize] = Place::Nowhere;
                }
                _ => self.drop_probation(victim),
            }
        }
    }

    fn drop_probation(&mut self, object: u32) {
        self.probation.remove(&mut self.all, object);
        self.place[object as usize] = Place::Nowhere;
    }
}

impl Policy for WTinyLfu {
    fn request(&mut self, object: u32, bytes: u32) -> bool {
        self.sketch.count(object);
        if self.place[object as usize] != Place::Nowhere {
            self.hit(object);
            return true;
        }
        self.window.push(&mut self.all, object, bytes);
        self.place[object as usize] = Place::Window;
        while self.window.bytes() > self.window_budget
            && let Some((candidate, bytes)) = self.window.pop(&mut self.all)
        {
            self.compete(candidate, bytes);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_pushes_nothing_out_that_is_asked_for_often() {
        // Room for ten; the window has room for none, so that every newcomer competes at once.
        let mut cache = WTinyLfu::new(1_000, 100_000_000);
        let often = |cache: &mut WTinyLfu| (0..9).filter(|object| cache.request(*object, 10_000_000)).count();
        (0..3).for_each(|_| {
            often(&mut cache);
        });
        (100..200).for_each(|object| {
            cache.request(object, 10_000_000);
        });
        assert_eq!(often(&mut cache), 9);
        assert!(cache.window.bytes() + cache.probation.bytes() + cache.protected.bytes() <= 100_000_000);
    }

    #[test]
    fn a_newcomer_gets_in_once_it_is_asked_for_more_often_than_the_oldest() {
        let mut cache = WTinyLfu::new(1_000, 100_000_000);
        (0..10).for_each(|object| {
            cache.request(object, 10_000_000);
        });
        let asked: Vec<bool> = (0..3).map(|_| cache.request(500, 10_000_000)).collect();
        assert_eq!(asked, [false, false, true], "once is a tie, twice is more");
        assert!(!cache.request(0, 10_000_000), "the oldest went for it");
    }
}
