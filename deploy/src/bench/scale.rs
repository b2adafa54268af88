//! `cargo deploy bench scale`: a million SKUs at three locations and a million open holds, and what they cost.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use comfy_table::Table;
use inventory_api::{NodeStatus, paths::admin};
use serde::Serialize;

use super::{
    nodes::Nodes,
    purchases::{buy_many, buy_one, receive, reserve},
    wire::Wire,
};
use crate::cli::Output;

/// Entities of each kind.
const MILLION: usize = 1_000_000;

/// SKUs of one request while filling; times three locations this stays below the 1,024 commands of a batch.
const FILL: usize = 300;

/// Purchases of the churn: what a busy shop sells in an hour at 280 a second.
const CHURN: usize = MILLION;

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
struct Figure {
    figure: &'static str,
    value: f64,
    unit: &'static str,
    at_most: Option<f64>,
}

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

pub(super) async fn run(nodes: &mut Nodes, output: Output, say: impl Fn(String)) -> anyhow::Result<()> {
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
    let figures = [
        Figure { figure: "resident memory of a node", value: mib(resident), unit: "MiB", at_most: Some(1_536.0) },
        Figure { figure: "resident while a snapshot is written", value: mib(peak), unit: "MiB", at_most: Some(1_536.0) },
        Figure {
            figure: "longest wait of a buyer during a snapshot",
            value: stall.as_secs_f64() * 1e3,
            unit: "ms",
            at_most: Some(50.0),
        },
        Figure { figure: "restart to serving after a clean stop", value: clean.as_secs_f64(), unit: "s", at_most: Some(10.0) },
        Figure { figure: "restart to serving after a kill", value: killed.as_secs_f64(), unit: "s", at_most: Some(10.0) },
        Figure { figure: "live data (snapshot)", value: mib(live), unit: "MiB", at_most: None },
        Figure { figure: "live data after the churn", value: mib(grown), unit: "MiB", at_most: None },
        Figure {
            figure: "disk / live data after the churn",
            value: on_disk as f64 / grown as f64,
            unit: "x",
            at_most: Some(3.0),
        },
    ];
    print(&figures, output)
}

fn print(figures: &[Figure], output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(figures)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["figure", "measured", "unit", "at most"]);
    for one in figures {
        let most = one.at_most.map_or_else(String::new, |most| most.to_string());
        table.add_row([one.figure.to_owned(), format!("{:.2}", one.value), one.unit.to_owned(), most]);
    }
    println!("{table}");
    Ok(())
}
