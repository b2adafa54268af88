//! Where events go.

mod kafka;
mod redis;

pub(crate) use kafka::Kafka;
pub(crate) use redis::{RedisStream, STREAM};

use super::envelope::Message;

/// Why not all of a batch was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sink is away or full: everything waits.
    Later(String),
    /// It will never take this message.
    Message(String),
}

/// How many from the front were taken for certain, and why the next one was not. Later ones may have been taken as well, but none of the
/// same key as the refused one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) taken: usize,
    pub(crate) refusal: Option<Refusal>,
}

pub(crate) enum Sink {
    Redis(RedisStream),
    Kafka(Box<Kafka>),
}

impl Sink {
    /// Sends messages; those of one key stay in order.
    pub(crate) async fn publish(&mut self, messages: &[Message]) -> Published {
        match self {
            Self::Redis(redis) => redis.publish(messages).await,
            Self::Kafka(kafka) => kafka.publish(messages).await,
        }
    }
}

/// The longest run from the front without a key twice.
fn distinct(messages: &[Message]) -> &[Message] {
    let mut seen = std::collections::HashSet::new();
    let end = messages.iter().position(|message| !seen.insert(message.key.as_str()));
    &messages[..end.unwrap_or(messages.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_before_a_key_comes_again() {
        let all: Vec<_> = ["a", "b", "c", "b", "a"].map(|key| Message { key: key.to_owned(), text: String::new() }).into();
        assert_eq!(distinct(&all).len(), 3);
        assert_eq!(distinct(&all[3..]).len(), 2);
        assert!(distinct(&[]).is_empty());
    }
}
