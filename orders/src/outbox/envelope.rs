//! Events in their envelope: CloudEvents 1.0, structured JSON. Pure.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::event::KINDS;

/// Where events come from.
const SOURCE: &str = "/storefront/orders";

/// In front of the name of a schema in orders/schemas/.
const SCHEMAS: &str = "https://storefront.example/schemas/";

/// Largest event. 50 lines of 200 bytes are 10 KiB; brokers take a megabyte unless told otherwise.
pub(crate) const MAX_EVENT_BYTES: usize = 256 * 1024;

/// A row that waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) row_id: i64,
    pub(crate) transaction_id: i64,
    pub(crate) topic: String,
    /// The order's id.
    pub(crate) key: String,
    pub(crate) sequence: i32,
    /// JSON text.
    pub(crate) payload: String,
    pub(crate) created_at: OffsetDateTime,
}

/// An event that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) key: String,
    pub(crate) text: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: String,
    partitionkey: &'a str,
    sequence: String,
    data: &'a RawValue,
}

/// What a consumer reads of an envelope.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Received<T> {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) time: OffsetDateTime,
    pub(crate) data: T,
}

/// The `type` alone, to know what the data is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ReceivedKind {
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// The message of a row, always the same. An error says why no sink will ever take it.
pub(crate) fn message(row: &Waiting) -> Result<Message, String> {
    if !KINDS.contains(&row.topic.as_str()) {
        return Err(format!("{:?} is no event of this program", row.topic));
    }
    let data: &RawValue = serde_json::from_str(&row.payload).map_err(|error| format!("its data is no JSON: {error}"))?;
    let envelope = Envelope {
        specversion: "1.0",
        // A name of the event, not of the row: sent again it is the same.
        id: format!("{}:{}", row.key, row.sequence),
        source: SOURCE,
        kind: &row.topic,
        subject: &row.key,
        time: row.created_at.format(&Rfc3339).map_err(|error| error.to_string())?,
        datacontenttype: "application/json",
        dataschema: format!("{SCHEMAS}{}.json", row.topic),
        partitionkey: &row.key,
        // Ten digits, so that the order of texts is the order of numbers.
        sequence: format!("{:010}", row.sequence),
        data,
    };
    let text = serde_json::to_string(&envelope).map_err(|error| error.to_string())?;
    match text.len() {
        0..=MAX_EVENT_BYTES => Ok(Message { key: row.key.clone(), text }),
        bytes => Err(format!("it has {bytes} bytes, and {MAX_EVENT_BYTES} are the most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(topic: &str, payload: &str) -> Waiting {
        let (topic, payload) = (topic.to_owned(), payload.to_owned());
        let created_at = OffsetDateTime::UNIX_EPOCH;
        Waiting { row_id: 9, transaction_id: 4, topic, key: "o-1".to_owned(), sequence: 12, payload, created_at }
    }

    #[test]
    fn an_envelope_names_event_order_and_schema() {
        let text = message(&row("orders.order-paid.v1", r#"{"order_id": "o-1"}"#)).unwrap().text;
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "specversion": "1.0", "id": "o-1:12", "source": "/storefront/orders", "type": "orders.order-paid.v1", "subject": "o-1",
            "time": "1970-01-01T00:00:00Z", "datacontenttype": "application/json",
            "dataschema": "https://storefront.example/schemas/orders.order-paid.v1.json", "partitionkey": "o-1",
            "sequence": "0000000012", "data": {"order_id": "o-1"},
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn what_no_sink_can_take_is_known_before() {
        assert!(message(&row("orders.order-eaten.v1", "{}")).unwrap_err().contains("no event"));
        assert!(message(&row("orders.order-paid.v1", "{")).unwrap_err().contains("no JSON"));
        let large = format!("{:?}", "x".repeat(MAX_EVENT_BYTES));
        assert!(message(&row("orders.order-paid.v1", &large)).unwrap_err().contains("bytes"));
    }
}
