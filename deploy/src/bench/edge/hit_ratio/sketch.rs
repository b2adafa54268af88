//! How often each object was asked for lately, in a few bits: a count-min sketch that ages (TinyLFU, Einziger et al. 2017).

/// Rows; an object has one counter in each, and its count is the least of them.
const ROWS: usize = 4;

/// Counters are of four bits.
const MOST: u8 = 15;

/// Requests for each counter of a row, after which all are halved.
const SAMPLE: usize = 10;

#[derive(Debug)]
pub(super) struct Sketch {
    rows: [Vec<u8>; ROWS],
    counted: usize,
}

/// A different mix of the bits for each row (the finalizer of splitmix64).
fn mixed(object: u32, row: usize) -> u64 {
    let mut bits = u64::from(object).wrapping_add((row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Sketch {
    /// `width` counters in a row: as many as objects in the cache, about.
    pub(super) fn new(width: usize) -> Self {
        Self { rows: std::array::from_fn(|_| vec![0; width.max(1)]), counted: 0 }
    }

    fn at(&self, object: u32, row: usize) -> usize {
        let width = self.rows[row].len() as u64;
        usize::try_from(mixed(object, row) % width).unwrap_or_default()
    }

    pub(super) fn count(&mut self, object: u32) {
        for row in 0..ROWS {
            let at = self.at(object, row);
            self.rows[row][at] = (self.rows[row][at] + 1).min(MOST);
        }
        self.counted += 1;
        if self.counted >= SAMPLE * self.rows[0].len() {
            self.rows.iter_mut().flatten().for_each(|counter| *counter /= 2);
            self.counted /= 2;
        }
    }

    pub(super) fn times(&self, object: u32) -> u8 {
        (0..ROWS).map(|row| self.rows[row][self.at(object, row)]).min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_never_too_little_up_to_fifteen_and_forgets_by_halves() {
        let mut sketch = Sketch::new(64);
        (0..5).for_each(|_| sketch.count(7));
        assert_eq!((sketch.times(7), sketch.times(8)), (5, 0));
        (0..40).for_each(|_| sketch.count(9));
        assert_eq!(sketch.times(9), 15);
        // The 640th request halves all.
        (45..640).for_each(|_| sketch.count(9));
        assert_eq!((sketch.times(9), sketch.times(7)), (7, 2));
    }
}
