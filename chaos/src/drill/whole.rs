//! A whole run: load and faults side by side, then the look-up, the checks and the verdict.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use indicatif::ProgressBar;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::{
    direct::{Directed, direct},
    marker::Marker,
    record::Folder,
    stage::{Event, Pace, Stage},
};
use crate::{
    audit,
    check::{BOUNDED_STALENESS, InTime, Outcome, RECOVERED, Verdict, Violation, sold_out},
    experiment::{Experiment, Invariant},
    fault::Injector,
    prove::{Evidence, Expected, prove},
    run::{Run, describe, versions},
    workload::{Besides, Driven, Meter, Plan, Sale, drive_with},
};

/// Longest run: what a history holds at some thousand operations a second.
const LONGEST: Duration = Duration::from_secs(3 * 3_600);

/// Where and how.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub topology_file: &'a Path,
    pub folder: &'a Folder,
    pub pace: Pace,
    /// What repeats it, for people.
    pub command: &'a str,
}

/// Runs an experiment and writes everything into its folder. Whatever becomes of this program, the faults heal.
///
/// # Errors
/// When there is no run to speak of: the topology is not there, or nothing can be looked up.
pub async fn run(experiment: &Experiment, setting: Setting<'_>, tell: &(dyn Fn(&Event) + Sync)) -> anyhow::Result<Run> {
    let injector = Injector::open(setting.topology_file).await?;
    let _marker = Marker::set(setting.topology_file, &experiment.name)?;
    let topology = injector.topology().await?;
    let sale = match &experiment.load.sale {
        Some(sale) => Some(Arc::new(Sale::of(&topology, u64::from(sale.units)).await?)),
        None => None,
    };
    let began_at = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let meter = Arc::new(Meter::new(Instant::now()));
    let (history, shop) = (setting.folder.history(), setting.folder.shop());
    let load = &experiment.load;
    let plan = Plan { rate: load.rate, deals: load.deals, time: LONGEST, seed: experiment.seed, history: history.clone(), shop };
    let (stop, besides) = Besides::new(load.node_reads, sale.clone());
    let stage = Stage::new((experiment, &injector, &meter), setting.pace, tell);
    let directed = async {
        let directed = direct(&stage, sale.as_deref(), history).await;
        let _ = stop.send(true);
        tell(&Event::Looking);
        directed
    };
    let progress = ProgressBar::hidden();
    let driven = async { drive_with(&topology, &plan, besides, &meter, &progress).await };
    let (driven, directed) = tokio::try_join!(driven, directed)?;
    let books = audit::read(&topology).await.context("the books of both stores cannot be read")?;
    let mut run = Run {
        name: experiment.name.clone(),
        hypothesis: experiment.hypothesis.clone(),
        seed: experiment.seed,
        topology: describe(&topology),
        versions: versions(),
        command: setting.command.to_owned(),
        began_at,
        length_ms: driven.length_ms,
        steady_ms: directed.steady_ms,
        samples: driven.samples.clone(),
        faults: directed.faults.clone(),
        reigns: driven.reigns.clone(),
        load: driven.load,
        objective_ppm: experiment.steady.checkout_success_ppm.unwrap_or(999_000),
        experiment: Some(experiment.text.clone()),
        invalid: directed.invalid.clone(),
        aborted: directed.aborted.clone(),
        ..Run::default()
    };
    judge(&mut run, experiment, &driven, directed, &books);
    if let Some(sale) = &sale {
        let left = sale.left().await?;
        run.checks.push(sold_out(&driven.shop, sale.sku().as_str(), sale.units, left));
    }
    setting.folder.write(&run)?;
    Ok(run)
}

fn judge(run: &mut Run, experiment: &Experiment, driven: &Driven, directed: Directed, books: &crate::check::Books) {
    let expect = &experiment.expect;
    let bound = expect.invariants.iter().find_map(|invariant| match invariant {
        Invariant::Stale(bound) => u64::try_from(bound.as_millis()).ok(),
        _ => None,
    });
    let in_time = InTime { rto_ms: expect.rto_ms, max_unavailable_ms: expect.max_unavailable_ms };
    let expected = Expected { in_time, stale_ms: bound.unwrap_or(Expected::default().stale_ms) };
    let proof = prove(&Evidence { history: &driven.history, shop: &driven.shop, books: Some(books) }, run, &expected);
    run.proved(proof);
    let wanted: Vec<&str> = expect.invariants.iter().map(Invariant::check).chain([RECOVERED]).collect();
    // Where nothing was broken, what was slow or old is the machine's; what was lost or oversold is not.
    let of_times = [RECOVERED, BOUNDED_STALENESS];
    let is_judged = |name: &str| wanted.contains(&name) && !(run.faults.is_empty() && of_times.contains(&name));
    run.checks.retain(|verdict| is_judged(&verdict.check));
    run.checks.extend(directed.steady_again);
    if run.rpo_ops > expect.rpo_ops {
        let what = format!("{} acknowledged operations are lost; {} are allowed", run.rpo_ops, expect.rpo_ops);
        let violations = vec![Violation { what, operations: Vec::new() }];
        run.checks.push(Verdict::new("rpo", Outcome::Fail, "more is lost than is allowed".to_owned(), violations));
    }
    let skipped = run.checks.iter().find(|verdict| verdict.outcome == Outcome::Skipped);
    let unproved = skipped.map(|verdict| format!("{} had nothing to look at: {}", verdict.check, verdict.summary));
    let unbroken = run.faults.is_empty().then(|| "nothing was broken".to_owned());
    run.invalid = directed.invalid.or(unbroken).or(unproved);
}
