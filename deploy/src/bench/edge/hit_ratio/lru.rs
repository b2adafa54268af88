//! Least recently used: what was asked for longest ago goes.

use super::{
    Policy,
    queues::{Objects, Queue},
};

#[derive(Debug)]
pub(super) struct Lru {
    all: Objects,
    queue: Queue,
    inside: Vec<bool>,
    budget: u64,
}

impl Lru {
    pub(super) fn new(objects: usize, budget: u64) -> Self {
        Self { all: Objects::new(objects), queue: Queue::new(), inside: vec![false; objects], budget }
    }
}

impl Policy for Lru {
    fn request(&mut self, object: u32, bytes: u32) -> bool {
        if self.inside[object as usize] {
            self.queue.renew(&mut self.all, object);
            return true;
        }
        self.queue.push(&mut self.all, object, bytes);
        self.inside[object as usize] = true;
        while self.queue.bytes() > self.budget
            && let Some((gone, _)) = self.queue.pop(&mut self.all)
        {
            self.inside[gone as usize] = false;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_asked_for_longest_ago() {
        let mut lru = Lru::new(4, 30);
        let asked: Vec<bool> = [0, 1, 2, 0, 3, 0, 1].into_iter().map(|object| lru.request(object, 10)).collect();
        // 3 pushed 1 out, because 0 was asked for again before.
        assert_eq!(asked, [false, false, false, true, false, true, false]);
        lru.request(2, 30);
        assert!(!lru.request(0, 10), "a large one takes the place of all");
    }
}
