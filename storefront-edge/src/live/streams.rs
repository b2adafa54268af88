//! Streams that tell open pages of the stock of their product.
//!
//! One task looks at what changed and writes each product's event once, however many look at it. A reader that takes its time gets the
//! newest event and never an older one: nothing queues.

use std::{
    collections::{HashMap, hash_map::Entry},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use catalog_api::VariantStock;
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Live, Moment, Place,
    seats::{Refused, Seat, Seats, StreamLimits},
};

/// Between two looks at what changed: at most four events a second for a product.
const LOOK: Duration = Duration::from_millis(250);

/// A comment keeps the connection from being taken for dead.
const COMMENT: Duration = Duration::from_secs(10);

/// Then a stream ends, and the page opens another: so it hears of variants that are new.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Variants told of in one stream; an export has at most 100.
pub(crate) const MAX_VARIANTS: usize = 256;

/// `data` of an event: all variants, so that any one event is enough to know everything.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ProductStock {
    /// Whether the stock is of now; if not, it is of its `as_of`.
    pub(crate) current: bool,
    pub(crate) variants: Vec<NamedStock>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NamedStock {
    #[schema(value_type = String)]
    pub(crate) sku: String,
    /// `null` when nothing was heard of it yet.
    pub(crate) stock: Option<VariantStock>,
}

/// A variant, and what the catalog knew of its stock.
pub(crate) type Variant = (String, Option<VariantStock>);

/// An event as it is sent. Equal ids mean equal numbers.
#[derive(Clone, Debug)]
struct Event {
    id: String,
    text: Bytes,
}

/// A product that somebody looks at.
struct Topic {
    variants: Vec<Variant>,
    places: Vec<Place>,
    seen: Moment,
    event: watch::Sender<Event>,
}

impl Topic {
    fn new(event: Event) -> Self {
        Self { variants: Vec::new(), places: Vec::new(), seen: 0, event: watch::Sender::new(event) }
    }

    /// Wakes the readers when the event tells something else than the last one.
    fn tell(&self, event: &Event) {
        self.event.send_if_modified(|told| std::mem::replace(told, event.clone()).id != event.id);
    }
}

pub(crate) struct Streams {
    seats: Arc<Seats>,
    topics: Mutex<HashMap<String, Topic>>,
    stopping: CancellationToken,
}

/// What one reader holds.
struct Reader {
    event: watch::Receiver<Event>,
    first: Option<Bytes>,
    until: tokio::time::Instant,
    stopping: CancellationToken,
    seat: Seat,
}

impl Streams {
    pub(super) fn new(limits: StreamLimits, stopping: CancellationToken) -> Self {
        Self { seats: Seats::new(limits), topics: Mutex::default(), stopping }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn event(&self, variants: &[Variant], now: Instant) -> Event {
        let named = |(sku, said): &Variant| NamedStock { sku: sku.clone(), stock: self.shown(sku, said.as_ref(), now) };
        let stock = ProductStock { current: self.is_current(now), variants: variants.iter().map(named).collect() };
        let mut print = blake3::Hasher::new();
        print.update(&[u8::from(stock.current)]);
        for variant in &stock.variants {
            let available = variant.stock.as_ref().map_or(u64::MAX, |stock| stock.available);
            print.update(variant.sku.as_bytes()).update(&available.to_le_bytes());
        }
        let id = print.finalize().to_hex()[..16].to_owned();
        let data = serde_json::to_string(&stock).unwrap_or_default();
        let text = format!("id: {id}\nevent: stock\ndata: {data}\n\n").into();
        Event { id, text }
    }

    /// The stock of a product's variants now, and then whenever it is another. `last` is the id of the last event that was heard.
    pub(crate) fn subscribe(
        &self,
        client: u128,
        product: &str,
        variants: Vec<Variant>,
        last: Option<&str>,
    ) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + Send + use<>, Refused> {
        let seat = self.streams.seats.take(client, Instant::now())?;
        let (first, event) = {
            // Held from before the stock is read, so that no look tells a newer event in between, which this reader would take for seen.
            let mut topics = self.streams.lock();
            let seen = self.changed.now();
            let event = self.event(&variants, Instant::now());
            let told = match topics.entry(product.to_owned()) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(free) => free.insert(Topic::new(event.clone())),
            };
            told.places = variants.iter().map(|(sku, _)| self.place(sku)).collect();
            // The newest answer of the catalog says what variants there are.
            (told.variants, told.seen) = (variants, seen);
            told.tell(&event);
            (event, told.event.subscribe())
        };
        let known = last == Some(first.id.as_str());
        let first = if known { Bytes::from_static(b": nothing new\n\n") } else { first.text };
        metrics::gauge!("edge_stock_streams").increment(1.0);
        let until = tokio::time::Instant::now() + LIFE;
        let reader = Reader { event, first: Some(first), until, stopping: self.streams.stopping.clone(), seat };
        Ok(stream::unfold(reader, async |mut reader| {
            let text = if reader.seat.comes_back() { reader.next().await? } else { return None };
            reader.seat.was_given(Instant::now());
            Some((Ok(text), reader))
        }))
    }

    /// Looks at what changed, for ever.
    pub(crate) async fn tell_streams(self: Arc<Self>) {
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_current = false;
        loop {
            tick.tick().await;
            let now = Instant::now();
            let is_current = self.is_current(now);
            let turned = std::mem::replace(&mut was_current, is_current) != is_current;
            metrics::gauge!("edge_stock_current").set(if is_current { 1.0 } else { 0.0 });
            self.look(turned, now);
        }
    }

    fn look(&self, turned: bool, now: Instant) {
        self.streams.seats.clear(now);
        let seen = self.changed.now();
        self.streams.lock().retain(|_, topic| {
            if topic.event.receiver_count() == 0 {
                return false;
            }
            if turned || self.changed.is_changed(&topic.places, topic.seen) {
                topic.seen = seen;
                topic.tell(&self.event(&topic.variants, now));
            }
            true
        });
    }
}

impl Reader {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some([b"retry: 2000\n", first.as_ref()].concat().into());
        }
        let comment = (tokio::time::Instant::now() + COMMENT).min(self.until);
        tokio::select! {
            () = self.stopping.cancelled() => None,
            changed = self.event.changed() => {
                changed.ok()?;
                Some(self.event.borrow_and_update().text.clone())
            }
            () = sleep_until(comment) => (comment < self.until).then(|| Bytes::from_static(b": still here\n\n")),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        metrics::gauge!("edge_stock_streams").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use storefront_types::Sku;
    use time::OffsetDateTime;

    use super::*;
    use crate::live::stock::Level;

    fn hear(live: &Live, version: u64, available: u64) {
        live.hear(&Sku::parse("LAMP").unwrap(), Level { version, available }, false);
    }

    fn live(max: usize) -> Arc<Live> {
        let limits = StreamLimits { most: max, per_client: max, stall: Duration::from_secs(30) };
        let live = Live::new(limits, CancellationToken::new());
        live.currency.told(OffsetDateTime::UNIX_EPOCH, Instant::now());
        live.currency.told(OffsetDateTime::now_utc(), Instant::now());
        hear(&live, 1, 100);
        live
    }

    fn lamp() -> Vec<Variant> {
        vec![("LAMP".to_owned(), None)]
    }

    /// What a reader gets at once, without waiting.
    fn ready(stream: &mut (impl Stream<Item = Result<Bytes, Infallible>> + Unpin)) -> Option<String> {
        let text = stream.next().now_or_never()??.unwrap();
        Some(String::from_utf8(text.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_reader_that_takes_its_time_gets_the_newest_and_nothing_queues() {
        let live = live(2);
        let mut slow = Box::pin(live.subscribe(1, "p", lamp(), None).unwrap());
        let mut quick = Box::pin(live.subscribe(1, "p", lamp(), None).unwrap());
        assert!(ready(&mut slow).unwrap().contains("\"available\":100"));
        assert!(ready(&mut quick).unwrap().starts_with("retry: "));
        for version in 2..=60 {
            hear(&live, version, 100 - version);
            live.look(false, Instant::now());
            assert!(ready(&mut quick).unwrap().contains(&format!("\"available\":{},", 100 - version)));
        }
        assert!(ready(&mut slow).unwrap().contains("\"available\":40,"));
        assert_eq!((ready(&mut slow), ready(&mut quick)), (None, None));
        // Sold and put back between two looks: nothing to tell.
        hear(&live, 61, 0);
        hear(&live, 62, 40);
        live.look(false, Instant::now());
        assert_eq!((ready(&mut slow), ready(&mut quick)), (None, None));
    }

    #[tokio::test]
    async fn room_is_bounded_and_given_back_and_nobodys_products_are_forgotten() {
        let live = live(1);
        let first = live.subscribe(1, "p", lamp(), None).unwrap();
        assert!(live.subscribe(1, "q", lamp(), None).is_err());
        drop(first);
        let _second = live.subscribe(1, "q", lamp(), None).unwrap();
        live.look(false, Instant::now());
        assert_eq!(live.streams.lock().keys().collect::<Vec<_>>(), ["q"]);
    }

    #[tokio::test]
    async fn who_knows_the_newest_event_is_not_told_again() {
        let live = live(9);
        let first = ready(&mut Box::pin(live.subscribe(1, "p", lamp(), None).unwrap())).unwrap();
        let id = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
        let mut again = Box::pin(live.subscribe(1, "p", lamp(), Some(&id)).unwrap());
        assert!(!ready(&mut again).unwrap().contains("event: stock"));
        hear(&live, 2, 99);
        let late = ready(&mut Box::pin(live.subscribe(1, "p", lamp(), Some(&id)).unwrap())).unwrap();
        assert!(late.contains("\"available\":99,"));
        live.look(false, Instant::now());
        let told = ready(&mut again);
        assert!(
            told.is_some_and(|told| told.contains("\"available\":99,")),
            "who was there is told by the look, or by the newcomer"
        );
    }

    #[tokio::test]
    async fn a_feed_that_is_lost_is_told() {
        let live = live(9);
        let mut reader = Box::pin(live.subscribe(1, "p", lamp(), None).unwrap());
        assert!(ready(&mut reader).unwrap().contains("\"current\":true"));
        assert_eq!(ready(&mut reader), None);
        live.look(true, Instant::now() + Duration::from_secs(60));
        assert!(ready(&mut reader).unwrap().contains("\"current\":false"));
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_loses_its_place_to_another() {
        let live = live(1);
        let mut stuck = Box::pin(live.subscribe(1, "p", lamp(), None).unwrap());
        assert!(live.subscribe(2, "p", lamp(), None).is_err());
        live.look(false, Instant::now() + Duration::from_secs(31));
        let mut other = Box::pin(live.subscribe(2, "p", lamp(), None).unwrap());
        assert!(ready(&mut other).is_some());
        assert!(matches!(stuck.next().now_or_never(), Some(None)), "its stream does not end");
    }
}
