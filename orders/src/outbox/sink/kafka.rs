//! A topic of a Kafka-compatible broker. Acknowledged by all replicas in sync; the producer is idempotent, so librdkafka's own repetitions
//! neither double nor reorder.

mod security;

use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer, future_producer::DeliveryFuture},
};

use super::{Published, Refusal, distinct};
use crate::outbox::{
    args::KafkaSecurityArgs,
    envelope::{MAX_EVENT_BYTES, Message},
};

/// Longest wait for a message's acknowledgement over all of librdkafka's attempts. Then the relay asks again itself.
const DELIVERY_MS: &str = "10000";

/// Above the delivery's own limit: only a defect waits longer.
const STUCK: Duration = Duration::from_secs(15);

pub(crate) struct Kafka {
    config: ClientConfig,
    topic: String,
    producer: FutureProducer,
}

/// Refusals of the message itself; anything else may pass.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::MessageSizeTooLarge
                | Code::InvalidMessage
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                | Code::PolicyViolation
        )
    )
}

fn refusal(error: &KafkaError) -> Refusal {
    if is_final(error) { Refusal::Message(error.to_string()) } else { Refusal::Later(error.to_string()) }
}

impl Kafka {
    pub(crate) fn new(brokers: &[String], topic: &str, security: &KafkaSecurityArgs) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        // Twice the largest event: the protocol adds a little.
        let largest = (2 * MAX_EVENT_BYTES).to_string();
        let options = [
            ("bootstrap.servers", brokers.join(",")),
            ("client.id", "storefront-orders".to_owned()),
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".to_owned()),
            ("message.max.bytes", largest),
            ("delivery.timeout.ms", DELIVERY_MS.to_owned()),
            ("linger.ms", "5".to_owned()),
        ];
        for (name, value) in options {
            config.set(name, value);
        }
        for (name, value) in security::settings(security, &security::password(security)?)? {
            config.set(name, value);
        }
        let producer = config.create()?;
        Ok(Self { config, topic: topic.to_owned(), producer })
    }

    pub(super) async fn publish(&mut self, messages: &[Message]) -> Published {
        let mut taken = 0;
        while taken < messages.len() {
            let run = distinct(&messages[taken..]);
            let published = self.publish_run(run).await;
            taken += published.taken;
            if published.refusal.is_some() {
                self.renew();
                return Published { taken, refusal: published.refusal };
            }
        }
        Published { taken, refusal: None }
    }

    /// No two of the run have the same key, so one that fails is overtaken by none of its own.
    async fn publish_run(&self, run: &[Message]) -> Published {
        let mut sent: Vec<Result<DeliveryFuture, KafkaError>> = Vec::with_capacity(run.len());
        for message in run {
            let headers = OwnedHeaders::new().insert(Header { key: "content-type", value: Some("application/cloudevents+json") });
            let record = FutureRecord::to(&self.topic).key(&message.key).payload(&message.text).headers(headers);
            sent.push(self.producer.send_result(record).map_err(|(error, _)| error));
        }
        let answered = join_all(sent.into_iter().map(async |sent| match tokio::time::timeout(STUCK, sent?).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err((error, _)))) => Err(error),
            // The producer was dropped, or does not answer any more.
            Ok(Err(_)) | Err(_) => Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)),
        }))
        .await;
        match answered.iter().position(Result::is_err) {
            Some(taken) => Published { taken, refusal: answered[taken].as_ref().err().map(refusal) },
            None => Published { taken: run.len(), refusal: None },
        }
    }

    /// After a fatal error a producer never sends again.
    fn renew(&mut self) {
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            tracing::warn!(?code, reason, "the Kafka producer is made anew");
            match self.config.create() {
                Ok(producer) => self.producer = producer,
                Err(error) => tracing::error!(%error, "the Kafka producer cannot be made anew"),
            }
        }
    }
}
