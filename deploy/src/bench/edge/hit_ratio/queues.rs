//! Doubly linked queues of objects, of which each object is in one at most: the ground that the simulated policies stand on.

/// No object.
const NONE: u32 = u32::MAX;

/// Links and sizes of all objects, whichever queue they are in.
#[derive(Debug)]
pub(super) struct Objects {
    newer: Vec<u32>,
    older: Vec<u32>,
    bytes: Vec<u32>,
}

/// One queue: where it begins and ends, and the bytes of what is in it.
#[derive(Debug)]
pub(super) struct Queue {
    newest: u32,
    oldest: u32,
    bytes: u64,
}

impl Objects {
    pub(super) fn new(objects: usize) -> Self {
        Self { newer: vec![NONE; objects], older: vec![NONE; objects], bytes: vec![0; objects] }
    }
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { newest: NONE, oldest: NONE, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The object must be in no queue.
    pub(super) fn push(&mut self, all: &mut Objects, object: u32, bytes: u32) {
        let at = object as usize;
        (all.newer[at], all.older[at], all.bytes[at]) = (NONE, self.newest, bytes);
        match self.newest {
            NONE => self.oldest = object,
            before => all.newer[before as usize] = object,
        }
        self.newest = object;
        self.bytes += u64::from(bytes);
    }

    /// The object must be in this queue. Gives its size.
    pub(super) fn remove(&mut self, all: &mut Objects, object: u32) -> u32 {
        let at = object as usize;
        let (newer, older) = (all.newer[at], all.older[at]);
        match newer {
            NONE => self.newest = older,
            newer => all.older[newer as usize] = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => all.newer[older as usize] = newer,
        }
        self.bytes -= u64::from(all.bytes[at]);
        all.bytes[at]
    }

    /// To the new end.
    pub(super) fn renew(&mut self, all: &mut Objects, object: u32) {
        let bytes = self.remove(all, object);
        self.push(all, object, bytes);
    }

    /// Takes the oldest with its size.
    pub(super) fn pop(&mut self, all: &mut Objects) -> Option<(u32, u32)> {
        let object = self.oldest()?;
        Some((object, self.remove(all, object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_leave_in_the_order_they_came_but_for_the_renewed_and_the_removed() {
        let (mut all, mut queue) = (Objects::new(4), Queue::new());
        (0..4).for_each(|object| queue.push(&mut all, object, 10 + object));
        queue.renew(&mut all, 0);
        assert_eq!(queue.remove(&mut all, 2), 12);
        assert_eq!(queue.bytes(), 10 + 11 + 13);
        let left: Vec<_> = std::iter::from_fn(|| queue.pop(&mut all)).collect();
        assert_eq!(left, [(1, 11), (3, 13), (0, 10)]);
        assert_eq!((queue.bytes(), queue.oldest()), (0, None));
    }
}
