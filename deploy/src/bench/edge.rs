//! `cargo deploy bench edge` and its companions: the edge as a cache, beside the caches that shops use today.
//!
//! Owns: private instances of the peers and of the edge, the origin behind them, the load. Must not: touch a server that ran before.

mod bare;
mod cold;
mod crowd;
mod hit_ratio;
mod hits;
mod idle;
mod listening;
mod nginx;
mod open_loop;
mod origin;
mod ours;
mod overload;
mod page;
mod processor;
mod server;
mod shop;
mod varnish;
mod wrk;

use std::{fs, path::PathBuf};

use anyhow::Context;
use backing_servers::ensure_packages;
use tokio::runtime::Runtime;

use super::{Bench, Group, Peer};
use crate::{
    build::Programs,
    plan::{Place, target_directory},
    seed,
    supervisor::Supervisor,
    topology::Spec,
};
use hits::Systems;
use wrk::Wrk;

/// Files of one bench; they go with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let directory = target_directory().join("deploy").join(format!("bench-edge-{}", std::process::id()));
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(Self(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: a file that stays is small.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What Debian has and this bench needs.
fn install(bench: &Bench<'_>) -> anyhow::Result<()> {
    let mut wanted = vec![wrk::PACKAGE];
    let against = &bench.args.against;
    wanted.extend(against.contains(&Peer::Nginx).then_some(nginx::PACKAGE));
    wanted.extend(against.contains(&Peer::Varnish).then_some(varnish::PACKAGE));
    Ok(ensure_packages(&wanted, |text| eprintln!("{text}"))?)
}

/// Hits, then a page. The topology behind the page starts after the hits are measured: it would take some of the processors.
pub(super) fn run(programs: &Programs, runtime: &Runtime, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    install(bench)?;
    let scratch = Scratch::new()?;
    let wrk = Wrk::new(&scratch.0)?;
    let systems = Systems::start(bench, programs, &scratch.0)?;
    runtime.block_on(hits::run(bench, &wrk, &systems))?;
    let plain = systems.into_ours();
    let place = Place::of(&format!("bench-page-{}", std::process::id()))?.with_any_ports();
    let file = place.topology_file();
    let supervisor = Supervisor::start(place, &Spec::one_region()?, programs.clone())?;
    let measured = seed::seed(&supervisor, &[]).and_then(|()| runtime.block_on(page::run(bench, &wrk, &supervisor, &plain)));
    supervisor.stop();
    if let Some(directory) = file.parent() {
        fs::remove_dir_all(directory)?;
    }
    measured
}

/// What is no speed of hits.
pub(super) fn companion(group: Group, programs: &Programs, runtime: &Runtime, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let figures = match group {
        Group::EdgeIdle => {
            install(bench)?;
            runtime.block_on(idle::run(programs, bench, &scratch.0, &Wrk::new(&scratch.0)?))?
        }
        Group::EdgeHitRatio => hit_ratio::run(bench)?,
        Group::EdgeOverload => runtime.block_on(overload::run(programs, bench, &scratch.0))?,
        Group::EdgeCold => runtime.block_on(cold::run(programs, bench, &scratch.0))?,
        other => anyhow::bail!("{other:?} is measured elsewhere"),
    };
    bench.figures.extend(figures);
    Ok(())
}
