//! A whole run: load and faults side by side, then the look-up, the checks and the verdict.

use std::{path::Path, sync::Arc};

use indicatif::ProgressBar;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    direct::direct,
    judge::{Left, Looked, judge},
    marker::Marker,
    record::Folder,
    stage::{Event, Pace, Stage},
};
use crate::{
    audit,
    experiment::{Experiment, LONGEST_RUN},
    fault::Injector,
    run::{Run, describe, versions},
    workload::{Besides, Meter, Plan, Sale, drive_with},
};

/// Where and how.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub topology_file: &'a Path,
    pub folder: &'a Folder,
    pub pace: Pace,
    /// What repeats it, for people.
    pub command: &'a str,
    /// Cancelled by whoever wants it to end.
    pub stop: &'a CancellationToken,
}

/// Runs an experiment and writes everything into its folder. Whatever becomes of this program, the faults heal.
///
/// # Errors
/// When there is no run to speak of: the topology is not there, nobody can come, or what was recorded cannot be written. Whatever goes wrong later
/// is part of the run, and in its report.
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
    let plan =
        Plan { rate: load.rate, deals: load.deals, time: LONGEST_RUN, seed: experiment.seed, history: history.clone(), shop };
    let (stop, besides) = Besides::new(load.node_reads, sale.clone());
    let stage = Stage::new((experiment, &injector, &meter), setting.pace, tell);
    let directed = async {
        let directed = direct(&stage, sale.as_deref(), history, setting.stop).await;
        let _ = stop.send(true);
        tell(&Event::Looking);
        anyhow::Ok(directed)
    };
    let progress = ProgressBar::hidden();
    let driven = async { drive_with(&topology, &plan, besides, &meter, &progress).await };
    let (driven, directed) = tokio::try_join!(driven, directed)?;
    let books = audit::read(&topology).await.map_err(|error| format!("the books of both stores cannot be read: {error:#}"));
    let left = match &sale {
        Some(sale) => Some(Left {
            sku: sale.sku().to_string(),
            of: sale.units,
            units: sale.left().await.map_err(|error| format!("{error:#}")),
        }),
        None => None,
    };
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
        replicas: driven.replicas.clone(),
        load: driven.load,
        objective_ppm: experiment.steady.checkout_success_ppm.unwrap_or(999_000),
        experiment: Some(experiment.text.clone()),
        invalid: directed.invalid.clone(),
        aborted: directed.aborted.clone(),
        ..Run::default()
    };
    judge(&mut run, experiment, &driven, directed, Looked { books, left });
    setting.folder.write(&run)?;
    Ok(run)
}
