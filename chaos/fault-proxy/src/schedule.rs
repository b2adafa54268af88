//! When a chunk may leave. Pure: times are passed in, since any fixed moment.
//!
//! A chunk is taken from its sender when the line is free, is on its way for latency and jitter, and leaves behind the one before it.

use std::time::Duration;

use crate::condition::Way;

/// How much of a narrow line's time one chunk may take, so that many connections share it evenly and a change counts soon.
const CHUNK_TIME: Duration = Duration::from_millis(10);

/// The bandwidth of one direction of a link, for all of its connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    free_at: Duration,
}

impl Line {
    /// When the next chunk may be taken; before `now`: at once.
    pub(crate) fn free_at(&self, way: &Way) -> Duration {
        if way.bytes_per_s.is_some() { self.free_at } else { Duration::ZERO }
    }

    /// Takes a chunk at `now`; gives when its last byte is on its way.
    pub(crate) fn take(&mut self, now: Duration, bytes: usize, way: &Way) -> Duration {
        let Some(rate) = way.bytes_per_s else {
            self.free_at = Duration::ZERO;
            return now;
        };
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.get()));
        self.free_at = self.free_at.max(now) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at
    }
}

/// Bytes that one chunk may have.
pub(crate) fn most_bytes(way: &Way, buffer: usize) -> usize {
    let Some(rate) = way.bytes_per_s else { return buffer };
    let bytes = u128::from(rate.get()) * CHUNK_TIME.as_millis() / 1_000;
    usize::try_from(bytes).unwrap_or(buffer).clamp(1, buffer)
}

/// When a chunk arrives that was sent at `sent`, as the way is now. `draw`, from 0 to 1, is its share of the jitter.
pub(crate) fn arrival(sent: Duration, draw: f64, way: &Way) -> Duration {
    sent + way.latency() + way.jitter().mul_f64(draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;

    fn way() -> impl Strategy<Value = Way> {
        (0_u64..300_000, 0_u64..100_000, prop::option::of(1_u64..5_000_000)).prop_map(|(latency_us, jitter_us, rate)| Way {
            latency_us,
            jitter_us,
            bytes_per_s: rate.and_then(NonZeroU64::new),
            black_hole: false,
        })
    }

    /// Chunks as a connection has them: the time since the one before, how many bytes wait, and a draw.
    fn chunks() -> impl Strategy<Value = Vec<(u64, usize, f64)>> {
        prop::collection::vec((0_u64..50_000, 1_usize..100_000, 0.0..1.0), 1..80)
    }

    proptest! {
        #[test]
        fn a_chunk_is_late_by_latency_and_jitter_and_never_overtakes(way in way(), chunks in chunks()) {
            let (mut line, mut now, mut left, mut taken) = (Line::default(), Duration::ZERO, Duration::ZERO, 0_u128);
            let began = now;
            for (pause, waiting, draw) in chunks {
                now = (now + Duration::from_micros(pause)).max(line.free_at(&way));
                let bytes = most_bytes(&way, 65_536).min(waiting);
                let sent = line.take(now, bytes, &way);
                // A connection gives out its chunks one after the other.
                let leaves = arrival(sent, draw, &way).max(left);
                prop_assert!(leaves >= left && leaves >= now + way.latency());
                prop_assert!(leaves <= (sent + way.latency() + way.jitter()).max(left));
                left = leaves;
                taken += bytes as u128;
                if let Some(rate) = way.bytes_per_s {
                    let could = u128::from(rate.get()) * (sent - began).as_nanos() / 1_000_000_000;
                    prop_assert!(taken <= could + 1, "{taken} bytes, where {could} fit");
                    prop_assert!(sent - now <= CHUNK_TIME.max(Duration::from_secs(1) / u32::try_from(rate.get()).unwrap()) + Duration::from_nanos(1));
                } else {
                    prop_assert_eq!(sent, now);
                }
            }
        }

        #[test]
        fn a_line_that_is_wide_again_is_free(bytes in 1_usize..1_000_000, now in 0_u64..1_000) {
            let (mut line, now) = (Line::default(), Duration::from_secs(now));
            let narrow = Way { bytes_per_s: NonZeroU64::new(1), ..Way::default() };
            line.take(now, bytes, &narrow);
            prop_assert!(line.free_at(&narrow) > now);
            prop_assert!(line.free_at(&Way::default()) <= now);
            prop_assert_eq!(line.take(now, bytes, &Way::default()), now);
        }
    }
}
