//! `cargo deploy bench scale`: a million SKUs at three locations and a million open holds, and what they cost.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use inventory_api::{NodeStatus, paths::admin};

use super::{
    figures::Figure,
    nodes::Nodes,
    purchases::{buy_many, buy_one, receive, reserve},
    wire::Wire,
};

/// Entities of each kind.
const MILLION: usize = 1_000_000;

/// SKUs of one request while filling; times three locations this stays below the 1,024 commands of a batch.
const FILL: usize = 300;

/// Purchases of the churn: what a busy shop sells in an hour at 280 a second.
const CHURN: usize = MILLION;

const NAME: &str = "scale";

fn mib(bytes: u64) -> f64 {
    (bytes as f64 / 1_048_576.0).round()
}

async fn status(nodes: &Nodes, at: usize) -> anyhow::Result<NodeStatus> {
    let url = format!("http://{}{}", nodes.nodes[at].client, admin::STATUS);
    Ok(reqwest::get(url).await?.json().await?)
}

/// Buys on one connection until told to stop: the longest time between two answers.
async fn longest_wait(mut wire: Wire, stop: Rc<Cell<bool>>) -> Duration {
    let mut longest = Duration::ZERO;
    while !stop.get() {
        let asked = Instant::now();
        buy_one(&mut wire, 0).await;
        longest = longest.max(asked.elapsed());
    }
    longest
}

/// Takes a snapshot under one caller's load: how long the caller waited at most, and how many bytes it has.
async fn snapshot(nodes: &Nodes, leader: usize) -> anyhow::Result<(Duration, u64)> {
    let before = status(nodes, leader).await?;
    let url = format!("http://{}{}", nodes.nodes[leader].client, admin::SNAPSHOT);
    let stop = Rc::new(Cell::new(false));
    let set = tokio::task::LocalSet::new();
    let wire = Wire::open(&nodes.nodes[leader].client).await?;
    let buying = set.spawn_local(longest_wait(wire, stop.clone()));
    let longest = set.run_until(async {
        reqwest::Client::new().post(&url).send().await?.error_for_status()?;
        while status(nodes, leader).await?.snapshot_index < before.applied_index {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.set(true);
        anyhow::Ok(buying.await?)
    });
    let longest = longest.await?;
    let bytes = reqwest::get(&url).await?.content_length().context("a snapshot of no length")?;
    Ok((longest, bytes))
}

pub(super) async fn run(nodes: &mut Nodes, say: impl Fn(String)) -> anyhow::Result<Vec<Figure>> {
    let leader = nodes.leader().await?;
    let follower = (leader + 1) % 3;
    let mut wire = Wire::open(&nodes.nodes[leader].client).await?;
    for from in (0..MILLION).step_by(FILL) {
        say(format!("filling: {from} SKUs at three locations"));
        receive(&mut wire, from..(from + FILL).min(MILLION), &["ap-1", "eu-1", "us-1"]).await?;
    }
    for from in (0..MILLION).step_by(FILL) {
        say(format!("filling: {from} holds"));
        reserve(&mut wire, from..(from + FILL).min(MILLION)).await?;
    }
    let resident = nodes.resident(leader)?.max(nodes.resident(follower)?);
    say("a snapshot under load".to_owned());
    let (stall, live) = snapshot(nodes, leader).await?;
    let peak = nodes.resident(leader)?;
    say("a clean restart, then one after a kill".to_owned());
    let clean = nodes.restart(follower, true).await?;
    let killed = nodes.restart(follower, false).await?;
    let leader = nodes.leader().await?;
    let mut wire = Wire::open(&nodes.nodes[leader].client).await?;
    for done in (0..CHURN).step_by(1_000) {
        say(format!("churn: {done} purchases"));
        buy_many(&mut wire, done..done + 1_000).await.context("a batch was refused")?;
    }
    let (_, grown) = snapshot(nodes, leader).await?;
    say("waiting for the log to be purged".to_owned());
    tokio::time::sleep(Duration::from_secs(12)).await;
    let on_disk = nodes.on_disk(leader)?;
    let of = |figure: &'static str, value: f64, unit: &'static str| Figure::new(NAME, figure, value, unit);
    Ok(vec![
        of("resident memory of a node", mib(resident), "MiB").at_most(1_536.0),
        of("resident while a snapshot is written", mib(peak), "MiB").at_most(1_536.0),
        of("longest wait of a buyer during a snapshot", stall.as_secs_f64() * 1e3, "ms").at_most(50.0),
        of("restart to serving after a clean stop", clean.as_secs_f64(), "s").at_most(10.0),
        of("restart to serving after a kill", killed.as_secs_f64(), "s").at_most(10.0),
        of("live data (snapshot)", mib(live), "MiB"),
        of("live data after the churn", mib(grown), "MiB"),
        of("disk / live data after the churn", on_disk as f64 / grown as f64, "x").at_most(3.0),
    ])
}
