//! Follows the region's list of purges. What may have been missed makes everything stale.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};

use super::{
    ledger::{Heard, Ledger, Place},
    order::Purge,
};
use crate::{cache::KeyRef, engine::Engine};

/// A Redis that lost its data without a restart is noticed after so long at most.
const LOOK_AGAIN_MS: usize = 500;

/// Beyond [`LOOK_AGAIN_MS`] Redis counts as away.
const TIMEOUT: Duration = Duration::from_secs(2);

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Before Redis is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// For ever. `by` is this edge: what it took itself is done already.
pub(super) async fn follow(engine: Arc<Engine>, client: Client, by: String) {
    let ledger = Ledger::default();
    let mut place: Option<Place> = None;
    let mut away = false;
    loop {
        let ended = match connect(&client).await {
            Ok(redis) => listen(&engine, &ledger, redis, &by, &mut place, &mut away).await,
            Err(error) => Err(error),
        };
        metrics::gauge!("edge_purges_followed").set(0.0);
        if let Err(error) = ended
            && !std::mem::replace(&mut away, true)
        {
            tracing::warn!(%error, "the region's Redis is away; purges are heard of when it is back");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn connect(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(Some(TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Until Redis fails.
async fn listen(
    engine: &Engine,
    ledger: &Ledger,
    mut redis: MultiplexedConnection,
    by: &str,
    place: &mut Option<Place>,
    away: &mut bool,
) -> RedisResult<()> {
    loop {
        let heard = ledger.since(&mut redis, place.as_ref()).await?;
        metrics::gauge!("edge_purges_followed").set(1.0);
        if std::mem::replace(away, false) {
            tracing::info!("purges are followed again");
        }
        let end = heard.end.clone();
        let step = judge(place.as_ref(), heard);
        take(engine, &step, by);
        engine.followed_orders(&step.place);
        let at_end = step.place == end;
        let known = place.insert(step.place);
        if at_end {
            Ledger::wait(&mut redis, known, LOOK_AGAIN_MS).await?;
        }
    }
}

/// What is to be done with what was heard.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Everything is to be made stale first.
    missed: bool,
    purges: Vec<Purge>,
    /// Where this edge stands then.
    place: Place,
}

fn judge(known: Option<&Place>, heard: Heard) -> Step {
    let Some(known) = known.filter(|known| known.epoch == heard.end.epoch && known.sequence <= heard.end.sequence) else {
        return Step { missed: true, purges: Vec::new(), place: heard.end };
    };
    let (mut missed, mut last, mut purges) = (false, known.sequence, Vec::new());
    for (sequence, purge) in heard.purges {
        missed |= sequence != last + 1 || purge.is_none();
        purges.extend(purge);
        last = sequence;
    }
    if last == known.sequence && last < heard.end.sequence {
        // The list itself is gone, what it said included.
        return Step { missed: true, purges, place: heard.end };
    }
    Step { missed, purges, place: Place { epoch: heard.end.epoch, sequence: last } }
}

fn take(engine: &Engine, step: &Step, by: &str) {
    if step.missed {
        tracing::info!("purges may have been missed; everything is stale now");
        metrics::counter!("edge_purges_missed_total").increment(1);
        engine.purges.purge_everything(true);
    }
    for purge in step.purges.iter().filter(|purge| purge.by != by) {
        apply(engine, purge);
    }
}

/// Does a purge here.
pub(super) fn apply(engine: &Engine, purge: &Purge) {
    let purges = &engine.purges;
    metrics::counter!("edge_purges_total").increment(1);
    if purge.everything {
        return purges.purge_everything(purge.soft);
    }
    let tags = purge.tags.iter().map(|tag| purges.tag(tag));
    let keys = purge.keys.iter().map(|(authority, target)| purges.key_tag(&KeyRef { authority, target }));
    purges.purge(tags.chain(keys), purge.soft);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: &str, sequence: u64) -> Place {
        Place { epoch: epoch.to_owned(), sequence }
    }

    fn purge(tag: &str) -> Purge {
        Purge { by: "x".to_owned(), tags: vec![tag.to_owned()], keys: Vec::new(), everything: false, soft: false }
    }

    fn heard(end: Place, purges: &[(u64, Option<&str>)]) -> Heard {
        Heard { end, purges: purges.iter().map(|(sequence, tag)| (*sequence, tag.map(purge))).collect() }
    }

    #[test]
    fn whatever_may_have_been_missed_is_noticed() {
        let at = place("e", 3);
        let missed = |known: Option<&Place>, heard: Heard| judge(known, heard).missed;
        assert!(missed(None, heard(place("e", 3), &[])), "what came before this edge is not known");
        assert!(!missed(Some(&at), heard(place("e", 3), &[])));
        assert!(!missed(Some(&at), heard(place("e", 5), &[(4, Some("a")), (5, Some("b"))])));
        assert!(missed(Some(&at), heard(place("e", 5), &[(5, Some("b"))])), "a gap");
        assert!(missed(Some(&at), heard(place("e", 5), &[(4, Some("a")), (6, Some("b"))])), "a gap");
        assert!(missed(Some(&at), heard(place("f", 3), &[])), "another epoch");
        assert!(missed(Some(&at), heard(place("e", 2), &[])), "numbers went back");
        assert!(missed(Some(&at), heard(place("e", 4), &[])), "the list is gone");
        assert!(missed(Some(&at), heard(place("e", 4), &[(4, None)])), "one cannot be read");
    }

    #[test]
    fn purges_are_done_in_order_and_the_rest_is_asked_for_next() {
        let step = judge(Some(&place("e", 3)), heard(place("e", 9), &[(4, Some("a")), (5, Some("b"))]));
        assert_eq!(step, Step { missed: false, purges: vec![purge("a"), purge("b")], place: place("e", 5) });
    }
}
