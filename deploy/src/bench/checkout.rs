//! `checkout`: whole checkouts through an edge, with everything on one machine: three inventory nodes, PostgreSQL with fsync, Redis, the catalog,
//! one `orders`, one edge, and the load generator.
//!
//! One checkout is three requests of a shopper who has a session: two lines into the cart, and the purchase. Only what was answered in the end
//! counts: 201 is recorded in PostgreSQL, 202 is accepted and will be.

mod arrivals;
mod backlog;
pub(super) mod shoppers;

use std::{rc::Rc, time::Duration};

use anyhow::ensure;
use deploy_api::ProcessKind;

use super::{
    Bench,
    drive::{Round, round},
    figures::Figure,
    purchases::receive_skus,
    stand::Stand,
    table::Measured,
};
use crate::{build::Programs, supervisor::Supervisor, topology::Spec};
use shoppers::{Done, Shoppers};

/// Concurrent shoppers of the closed loop. Latency at the peak is this number over the speed.
pub(super) const AT_ONCE: usize = 128;

/// Sessions made before: enough that at two thirds of the peak an arrival finds one that is not in the middle of a checkout.
pub(super) const SESSIONS: usize = 1_024;

/// What is wanted of this machine's kind: 2 cores.
const FULL_PER_S: f64 = 1_500.0;
const FULL_P99_MS: f64 = 250.0;
const DOWN_PER_S: f64 = 2_000.0;

/// An order that waits is recorded so fast that 100,000 of them take a minute.
const BACKLOG_PER_S: f64 = 100_000.0 / 60.0;

const FULL: &str = "checkout/full";
const DOWN: &str = "checkout/postgres-down";

pub(super) fn run(programs: &Programs, runtime: &tokio::runtime::Runtime, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let stand = Stand::start("checkout", &Spec::one_store()?.in_plaintext(), programs)?;
    runtime.block_on(measure(&stand.supervisor, bench))
}

async fn measure(supervisor: &Supervisor, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let topology = supervisor.topology();
    let edge = topology.http_of(ProcessKind::Edge).swap_remove(0);
    bench.progress.set_message(format!("{FULL}: {SESSIONS} sessions"));
    let shoppers = Rc::new(Shoppers::make(&edge, SESSIONS).await?);
    receive_skus(&topology.http_of(ProcessKind::Inventory), shoppers.skus()).await?;

    let peak = closed(FULL, &shoppers, bench).await?;
    let recorded = shoppers.take_counts();
    bench.figures.push(
        Figure::new(FULL, "complete checkouts at the peak, answered 201", recorded.per_s(&peak), "/s").at_least(FULL_PER_S),
    );
    bench.figures.push(Figure::new(FULL, "answered 202 at the peak", recorded.accepted as f64, "checkouts"));

    let rate = peak.ops_per_s * 2.0 / 3.0;
    bench.progress.set_message(format!("{FULL}: {rate:.0} arrivals a second"));
    let seen = arrivals::offer(&shoppers, rate, Duration::from_secs(bench.args.seconds)).await?;
    bench.figures.push(Figure::new(FULL, "arrivals at two thirds of the peak", rate, "/s"));
    bench.figures.extend(seen.figures(FULL, FULL_P99_MS));
    shoppers.take_counts();

    supervisor.kill("postgres")?;
    let down = closed(DOWN, &shoppers, bench).await?;
    let accepted = shoppers.take_counts();
    bench.figures.push(
        Figure::new(DOWN, "checkouts accepted (202)", accepted.share(accepted.accepted) * down.ops_per_s, "/s")
            .at_least(DOWN_PER_S),
    );
    bench.progress.set_message(format!("{DOWN}: the backlog is recorded"));
    supervisor.start_process("postgres")?;
    let backlog = backlog::recorded(&topology).await?;
    bench.figures.push(Figure::new(DOWN, "orders that waited", backlog.orders as f64, "orders"));
    bench.figures.push(Figure::new(DOWN, "recorded after PostgreSQL was back", backlog.took.as_secs_f64(), "s"));
    bench.figures.push(Figure::new(DOWN, "backlog recorded", backlog.per_s(), "orders/s").at_least(BACKLOG_PER_S));
    Ok(())
}

/// Rounds of the closed loop; the median is told and given.
async fn closed(name: &'static str, shoppers: &Rc<Shoppers>, bench: &mut Bench<'_>) -> anyhow::Result<Round> {
    let mut rounds = Vec::new();
    for nth in 1..=bench.args.rounds {
        bench.progress.set_message(format!("{name}, round {nth} of {}", bench.args.rounds));
        let buyers = (0..AT_ONCE).map(|_| {
            let shoppers = shoppers.clone();
            async move || shoppers.buy().await.ok().map(|_: Done| 1)
        });
        rounds.push(round(buyers.collect(), Duration::from_secs(bench.args.seconds)).await?);
    }
    if let Some(refusal) = shoppers.take_refusal() {
        bench.progress.suspend(|| eprintln!("{name}: the first that failed heard: {refusal}"));
    }
    bench.measured.push(Measured::of(name, "ours", &rounds)?);
    rounds.sort_by(|one, other| one.ops_per_s.total_cmp(&other.ops_per_s));
    let median = rounds[rounds.len() / 2];
    ensure!(median.ops_per_s > 0.0, "{name}: no checkout got through; see the logs of the topology");
    Ok(median)
}
