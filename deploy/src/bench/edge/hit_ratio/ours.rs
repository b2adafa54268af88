//! The library that the edge's first tier is made of, with the settings it has there.

use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::Cache, sync::DefaultLifecycle};

use super::Policy;

/// Bytes of an answer that the edge lays its first tier out for.
const BYTES_OF_ONE: u64 = 4_096;

#[derive(Clone, Debug)]
struct Weigh;

impl Weighter<u32, u32> for Weigh {
    fn weight(&self, _object: &u32, bytes: &u32) -> u64 {
        u64::from(*bytes)
    }
}

/// Sizes in place of answers.
pub(super) struct Ours(Cache<u32, u32, Weigh>);

impl Ours {
    /// Without a number of shards, as many as the library takes on this machine.
    pub(super) fn new(budget: u64, shards: Option<usize>) -> anyhow::Result<Self> {
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(usize::try_from(budget / BYTES_OF_ONE)?).weight_capacity(budget);
        if let Some(shards) = shards {
            options.shards(shards);
        }
        let options = options.build().map_err(|error| anyhow::anyhow!("quick_cache: {error}"))?;
        Ok(Self(Cache::with_options(options, Weigh, DefaultHashBuilder::default(), DefaultLifecycle::default())))
    }
}

impl Policy for Ours {
    fn request(&mut self, object: u32, bytes: u32) -> bool {
        let there = self.0.get(&object).is_some();
        if !there {
            self.0.insert(object, bytes);
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_asked_for_often_within_its_budget() {
        let mut cache = Ours::new(1_000_000, Some(1)).unwrap();
        let often = |cache: &mut Ours| (0..50).filter(|object| cache.request(*object, 10_000)).count();
        (0..3).for_each(|_| {
            often(&mut cache);
        });
        (1_000..2_000).for_each(|object| {
            cache.request(object, 10_000);
        });
        assert!(cache.0.weight() <= 1_000_000);
        assert!(often(&mut cache) > 40, "a scan pushed out what is asked for often");
    }
}
