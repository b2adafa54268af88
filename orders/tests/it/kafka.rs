//! The Kafka sink, against librdkafka's own brokers.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    mocking::MockCluster,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    events::write,
    running::{Running, eventually},
};

const TOPIC: &str = "orders.events";
const PARTITIONS: i32 = 4;

/// Key, content type and event of the next messages.
async fn read(consumer: &StreamConsumer, count: usize) -> Vec<(String, Value)> {
    let mut read = Vec::new();
    while read.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(60), consumer.recv()).await.expect("a message in time");
        // While brokers are away the consumer says so, and goes on by itself.
        let Ok(next) = next else { continue };
        let key = String::from_utf8(next.key().unwrap().to_vec()).unwrap();
        read.push((key, serde_json::from_slice(next.payload().unwrap()).unwrap()));
    }
    read
}

/// Reads the topic from its beginning.
fn consumer(brokers: &str) -> StreamConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "test");
    // A broker that was away is found again at once.
    config.set("topic.metadata.refresh.interval.ms", "500").set("reconnect.backoff.max.ms", "200");
    let consumer: StreamConsumer = config.create().unwrap();
    let mut all_of_it = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all_of_it.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all_of_it).unwrap();
    consumer
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_get_every_event_under_its_orders_key_also_after_they_were_away() {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 3).unwrap();
    let brokers = cluster.bootstrap_servers();
    let running = Running::start().await;
    let mut orders = running.orders(None, &["--events-kafka", &brokers]).await;
    let mut sql = running.sql().await;
    let ids: Vec<Uuid> = (0..10).map(|_| Uuid::new_v4()).collect();
    for sequence in 1..=5 {
        for id in &ids {
            write(&mut sql, *id, sequence, "{}").await;
        }
    }
    read(&consumer(&brokers), 50).await;
    // All brokers gone: events wait, and the region's Redis is told meanwhile.
    (1..=3).for_each(|broker| cluster.broker_down(broker).unwrap());
    write(&mut sql, ids[0], 6, "{}").await;
    eventually("Redis to have it", async || (running.events().await.len() == 51).then_some(())).await;
    orders.kill();
    (1..=3).for_each(|broker| cluster.broker_up(broker).unwrap());
    let _orders = running.orders(None, &["--events-kafka", &brokers]).await;
    // One that was there before asks for the new leaders of its partitions minutes later.
    let late = consumer(&brokers);
    let mut all: Vec<(String, Value)> = Vec::new();
    while all.iter().map(|(_, event)| event["id"].to_string()).collect::<BTreeSet<_>>().len() < 51 {
        all.extend(read(&late, 1).await);
    }
    for id in &ids {
        let own = all.iter().filter(|(key, event)| *key == id.to_string() && event["subject"] == key.as_str());
        let mut sequences: Vec<u32> = own.map(|(_, event)| event["sequence"].as_str().unwrap().parse().unwrap()).collect();
        sequences.dedup();
        let expected = if *id == ids[0] { 6 } else { 5 };
        assert_eq!(sequences, (1..=expected).collect::<Vec<_>>(), "in order, and none lost");
    }
    let sinks = running.outbox(&["list"])["sinks"].clone();
    assert_eq!((&sinks[0]["sink"], &sinks[1]["sink"]), (&"kafka".into(), &"redis:eu".into()));
}
