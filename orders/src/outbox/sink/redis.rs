//! A stream in a region's Redis, `events:orders`: one entry an event, its field `event` is the envelope.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::{Published, Refusal};
use crate::outbox::envelope::Message;

pub(crate) const STREAM: &str = "events:orders";

/// A batch of 200 entries takes some milliseconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Stops at the first entry that is refused, so that nothing overtakes it.
const APPEND: &str = "
    for i = 2, #ARGV do
        local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'event', ARGV[i])
        if type(added) == 'table' and added.err then return {i - 2, added.err} end
    end
    return {#ARGV - 1, ''}";

/// Refusals that are about the server's state and not about the entry.
const STATES: [&str; 11] =
    ["OOM", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOAUTH", "NOPERM", "WRONGTYPE", "MISCONF", "NOREPLICAS"];

pub(crate) struct RedisStream {
    redis: ConnectionManager,
    append: redis::Script,
    keep: u64,
}

impl RedisStream {
    pub(crate) fn new(url: &str, keep: u64) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(TIMEOUT))
            .set_connection_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?;
        Ok(Self { redis, append: redis::Script::new(APPEND), keep })
    }

    pub(super) async fn publish(&mut self, messages: &[Message]) -> Published {
        let mut call = self.append.prepare_invoke();
        call.key(STREAM).arg(self.keep);
        messages.iter().for_each(|message| {
            call.arg(&message.text);
        });
        match call.invoke_async::<(usize, String)>(&mut self.redis).await {
            Ok((taken, error)) if error.is_empty() => Published { taken, refusal: None },
            Ok((taken, error)) => {
                let is_state = STATES.iter().any(|state| error.trim_start_matches('-').starts_with(state));
                let refusal = if is_state { Refusal::Later(error) } else { Refusal::Message(error) };
                Published { taken, refusal: Some(refusal) }
            }
            Err(error) => Published { taken: 0, refusal: Some(Refusal::Later(error.to_string())) },
        }
    }
}
