//! The outbox: what others must learn of an order, written in the transaction that makes it so, and delivered afterwards.
//!
//! Owns: events and their shapes, the rows that wait, the relay to Redis Streams and Kafka, parked events. Must not: decide about orders.
//!
//! A transaction that writes an event of an order takes the order's lock before it writes anything (`order::life_store`), so the numbers
//! of transactions, and with them the rows, are in the order in which the order changed.

mod args;
mod envelope;
mod event;
mod oldest;
mod relay;
mod room;
mod rows;
mod schema;
mod sink;
mod tool;

pub use args::{EventArgs, KafkaSecurityArgs, OutboxArgs};
pub(crate) use envelope::{Received, ReceivedKind};
pub(crate) use event::{
    BoughtCart, Line, ORDER_PLACED, OrderAllocated, OrderCancelled, OrderDelivered, OrderEvent, OrderPaid, OrderPartlyCancelled,
    OrderPlaced, OrderReturned, OrderShipped, ReturnedUnits, Units, UnitsAt,
};
pub(crate) use relay::Relay;
pub use schema::event_schemas;
pub(crate) use sink::{Kafka, RedisStream, STREAM, Sink};
pub use tool::outbox_tool;

use sqlx::PgConnection;
use storefront_types::{Money, OrderId, Region};

use crate::checkout::Memo;

/// One row of the table `outbox`; the database adds the transaction's number and the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    /// The event's type.
    pub(crate) topic: &'static str,
    /// The order's id: events of one key stay in order.
    pub(crate) key: String,
    /// Version of the order that the event tells of; 1 for the placing.
    pub(crate) sequence: i32,
    /// The event's data, as JSON text for a `jsonb` column.
    pub(crate) payload: String,
}

impl OutboxRow {
    /// An error is of what an event cannot be written as, as PostgreSQL's own about data that it cannot take.
    pub(crate) fn new(order: OrderId, sequence: i32, event: &OrderEvent) -> Result<Self, sqlx::Error> {
        let payload = event.data().map_err(|error| sqlx::Error::Encode(error.into()))?;
        Ok(Self { topic: event.kind(), key: order.to_string(), sequence, payload })
    }
}

/// The row that is written with a new order.
pub(crate) fn placed_row(id: OrderId, memo: &Memo, total: Money) -> Result<OutboxRow, sqlx::Error> {
    let line = |(sku, quantity, amount): &(storefront_types::Sku, u32, i64)| Line {
        sku: sku.clone(),
        quantity: *quantity,
        unit_price: Money::new(*amount, memo.currency),
    };
    let placed = OrderPlaced {
        order_id: id,
        shopper_id: memo.shopper,
        lines: memo.lines.iter().map(line).collect(),
        total,
        placed_at: memo.placed_at(),
        cart: memo.cart.clone().map(|(home, version)| BoughtCart { home, version }),
    };
    OutboxRow::new(id, 1, &OrderEvent::Placed(placed))
}

/// Writes one row in the transaction of what it tells.
pub(crate) async fn insert(sql: &mut PgConnection, row: &OutboxRow) -> Result<(), sqlx::Error> {
    let OutboxRow { topic, key, sequence, payload } = row;
    let insert = sqlx::query!(
        "insert into outbox (topic, key, sequence, payload) values ($1, $2, $3, $4::text::jsonb)",
        topic,
        key,
        sequence,
        payload,
    );
    insert.execute(sql).await.map(drop)
}

/// A relay for each sink that is configured.
pub(crate) fn relays(args: &EventArgs, region: &Region, database_url: &str, redis_url: &str) -> anyhow::Result<Vec<Relay>> {
    let stream = format!("redis:{region}");
    let mut sinks = vec![(stream, Sink::Redis(RedisStream::new(redis_url, args.events_keep)?))];
    if !args.events_kafka.is_empty() {
        let kafka = Kafka::new(&args.events_kafka, &args.events_kafka_topic, &args.kafka_security)?;
        sinks.push(("kafka".to_owned(), Sink::Kafka(Box::new(kafka))));
    }
    let names: Vec<String> = sinks.iter().map(|(name, _)| name.clone()).collect();
    let outbox = (database_url, args.events_outbox_max);
    Ok(sinks.into_iter().map(|(name, sink)| Relay::new(name, &names, outbox, sink)).collect())
}
