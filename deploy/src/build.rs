//! Building the services.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::{cargo::cargo, plan::target_directory};

/// Where the built programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Those that are there already, without building.
    pub fn built(release: bool) -> Self {
        Self { directory: target_directory().join(if release { "release" } else { "debug" }) }
    }

    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }
}

/// Builds every service with cargo's own progress; does nothing when they are up to date.
pub(crate) fn services(release: bool) -> anyhow::Result<Programs> {
    build(&["--bins"], release)
}

/// Builds only some programs, with the features they have in a build of all, so that nothing is compiled twice.
pub(crate) fn programs(names: &[&str], release: bool) -> anyhow::Result<Programs> {
    let wanted: Vec<&str> = names.iter().flat_map(|name| ["--bin", name]).collect();
    build(&wanted, release)
}

/// Builds a program that a build of all leaves out, for speed.
pub(crate) fn package(name: &str) -> anyhow::Result<Programs> {
    build(&["-p", name, "--bins"], true)
}

fn build(wanted: &[&str], release: bool) -> anyhow::Result<Programs> {
    let mut cargo = cargo();
    cargo.arg("build").args(wanted).arg("--manifest-path");
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if release {
        cargo.arg("--release");
    }
    let status = cargo.status().context("cargo cannot be run")?;
    ensure!(status.success(), "the build failed");
    Ok(Programs::built(release))
}
