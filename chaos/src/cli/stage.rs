//! The topology that an experiment is run on: one that is up, or one that is started for it and stopped afterwards.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail, ensure};
use chaos::{
    audit::topology_file,
    experiment::Experiment,
    fault::{Injector, Needs},
};
use clap::Args;
use tokio::process::Command;

/// Name of one that is started for a run, unless another is given: its data is used again the next time.
const STARTED: &str = "drill";

#[derive(Args)]
pub(crate) struct At {
    /// Name of a running topology; of one that is started, its name
    #[arg(long)]
    name: Option<String>,
    /// The topology.json of a running one; or what to start for this run and stop afterwards: three-regions, one-region, ha, or a topology file
    #[arg(long)]
    topology: Option<PathBuf>,
}

/// A topology that is up.
pub(crate) struct Launched {
    topology_file: PathBuf,
    /// The launcher and the name, where it was started here.
    started: Option<(PathBuf, String)>,
}

impl At {
    pub(crate) fn file(&self) -> PathBuf {
        match &self.topology {
            Some(path) if path.extension().is_some_and(|ending| ending == "json") => path.clone(),
            _ => topology_file(self.name.as_deref().unwrap_or("default")),
        }
    }

    /// As they were given, to be given again.
    pub(crate) fn flags(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" --name {name}"));
        let topology = self.topology.as_ref().map(|topology| format!(" --topology {}", topology.display()));
        [name, topology].into_iter().flatten().collect()
    }

    /// Fails with what to do when nothing is up and nothing is to be started.
    pub(crate) async fn open(&self, experiment: &Experiment) -> anyhow::Result<Launched> {
        let topology = match &self.topology {
            Some(path) if path.extension().is_none_or(|ending| ending != "json") => path,
            _ => {
                let topology_file = self.file();
                let usual = &experiment.topology;
                Injector::open(&topology_file)
                    .await
                    .with_context(|| format!("nothing to run on; --topology {usual} starts one"))?;
                return Ok(Launched { topology_file, started: None });
            }
        };
        let name = self.name.clone().unwrap_or_else(|| STARTED.to_owned());
        let deploy = std::env::current_exe()?.with_file_name("deploy");
        ensure!(deploy.exists(), "{} is not there: `cargo build --bins` builds it", deploy.display());
        let mut up = Command::new(&deploy);
        up.args(["up", "--detach", "--name", &name, "--topology"]).arg(topology).stdin(Stdio::null());
        for needed in [Needs::Links, Needs::FaultPoints] {
            if experiment.needs(needed) {
                up.arg(needed.flag());
            }
        }
        // What it says is no part of the verdict.
        up.stdout(Stdio::null());
        eprintln!("starting {} as {name:?}", topology.display());
        let status = up.status().await.with_context(|| format!("{} cannot be run", deploy.display()))?;
        if !status.success() {
            bail!("the topology did not start: {status}");
        }
        Ok(Launched { topology_file: topology_file(&name), started: Some((deploy, name)) })
    }
}

impl Launched {
    pub(crate) fn topology_file(&self) -> &Path {
        &self.topology_file
    }

    /// Stops what was started here.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let Some((deploy, name)) = self.started else { return Ok(()) };
        let status = Command::new(deploy).args(["down", "--name", &name]).stdout(Stdio::null()).status().await?;
        ensure!(status.success(), "{name:?} did not stop; `cargo deploy down --name {name}` tries again");
        Ok(())
    }
}
