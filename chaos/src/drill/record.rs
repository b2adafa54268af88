//! What a run leaves behind: a folder with the experiment, both histories, the run, and the report in every form.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use time::{OffsetDateTime, macros::format_description};

use crate::{
    experiment::Experiment,
    report::{html, junit},
    run::Run,
};

#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// One of its own for a run that begins now.
    pub fn make(below: &Path, experiment: &Experiment) -> anyhow::Result<Self> {
        let form = format_description!("[year][month][day]-[hour][minute][second]-[subsecond digits:3]");
        let name = format!("{}-{}", experiment.name, OffsetDateTime::now_utc().format(form)?);
        let folder = std::path::absolute(below)?.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        fs::write(folder.join("experiment.toml"), &experiment.text)?;
        Ok(Self(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history.jsonl")
    }

    pub fn shop(&self) -> PathBuf {
        self.0.join("shop.jsonl")
    }

    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The run in every form.
    pub fn write(&self, run: &Run) -> anyhow::Result<()> {
        let write = |name: &str, text: String| {
            let path = self.0.join(name);
            fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
        };
        write("run.json", serde_json::to_string_pretty(run)?)?;
        write("report.html", html(run)?)?;
        write("junit.xml", junit(run))
    }
}
