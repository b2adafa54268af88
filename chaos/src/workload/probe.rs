//! Reads that ask each node by itself for a linearizable answer. One that does not lead has no business giving one, and a leader that was away
//! and does not know it yet would give an old one: the history shows that.

use std::time::Duration;

use futures_util::future::join_all;
use inventory_api::InventoryClient;
use tokio::{
    sync::watch as signal,
    time::{Instant, sleep_until},
};

use super::{
    Meter,
    crew::{Ask, Crew},
    deal::read,
    drive::told,
};
use crate::history::{Op, Out};

/// How long one node is waited for: it answers in a heartbeat's time, refuses, or is away.
const DEADLINE: Duration = Duration::from_millis(500);

/// Numbers of these clients in the history; those of the crew are below.
const FIRST_CLIENT: u64 = 1_000;

/// `rate`: reads a second over all nodes; 0: none. Ends with the time, or when it is told to.
pub(super) async fn nodes(
    crew: &Crew,
    meter: &Meter,
    nodes: &[(String, String, InventoryClient)],
    rate: f64,
    stop: &mut signal::Receiver<bool>,
    time: Duration,
) {
    if rate <= 0.0 {
        return;
    }
    let pause = Duration::from_secs_f64(nodes.len() as f64 / rate);
    let until = Instant::now() + time;
    let asked = nodes.iter().enumerate().map(async |(nth, (_, _, client))| {
        let (client, number) = (client.clone().with_deadline(DEADLINE), FIRST_CLIENT + nth as u64);
        for sku in crew.skus.iter().cycle() {
            let (began, call) = (Instant::now(), meter.now());
            let answer = read(&client, sku).await;
            // A node that refuses or is away says nothing of the stock.
            if answer.out == Out::Ok {
                crew.record(meter, Ask { client: number, op: Op::Read, sku, id: String::new(), qty: 0 }, call, answer).await;
            }
            sleep_until(began + pause).await;
        }
    });
    tokio::select! {
        _ = join_all(asked) => {}
        () = sleep_until(until) => {}
        () = told(stop) => {}
    }
}
