//! The drills that come with the program: experiments with a runbook.

use std::collections::BTreeMap;

use crate::experiment::{Experiment, Wrong, parse};

/// An experiment that is part of the program; its runbook is `docs/runbooks/NAME.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drill {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! drills {
    ($($name:literal),* $(,)?) => { [$(Drill { name: $name, text: include_str!(concat!("../../drills/", $name, ".toml")) }),*] };
}

/// From one process to everything.
pub const DRILLS: [Drill; 14] = drills![
    "leader-loss",
    "leader-pause",
    "adversity-ladder",
    "region-loss",
    "region-partition",
    "rolling-restart",
    "postgres-loss",
    "redis-loss",
    "slow-region",
    "disk-full",
    "clock-skew",
    "membership-change-under-load",
    "flash-sale",
    "everything",
];

impl Drill {
    pub fn named(name: &str) -> Option<&'static Self> {
        DRILLS.iter().find(|drill| drill.name == name)
    }

    /// With parameters in place of their defaults.
    pub fn experiment(&self, given: &BTreeMap<String, String>) -> Result<Experiment, Wrong> {
        parse(&format!("drills/{}.toml", self.name), self.text, given)
    }

    /// Where its runbook is, from the root of the repository.
    pub fn runbook(&self) -> String {
        format!("docs/runbooks/{}.md", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn names(folder: &str, ending: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let name = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.strip_suffix(ending)).map(str::to_owned);
        fs::read_dir(folder).unwrap().filter_map(|entry| name(entry.unwrap())).collect()
    }

    #[test]
    fn every_drill_has_a_runbook_that_names_it_and_every_runbook_a_drill() {
        let drills: BTreeSet<String> = DRILLS.iter().map(|drill| drill.name.to_owned()).collect();
        assert_eq!(names("drills", ".toml"), drills, "a file that is not built in");
        assert_eq!(names("../docs/runbooks", ".md"), drills);
        for drill in DRILLS {
            let runbook = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(drill.runbook())).unwrap();
            assert!(
                runbook.contains(&format!("chaos drill {}", drill.name)),
                "the runbook of {} names another drill",
                drill.name
            );
            let parts: Vec<&str> = runbook.lines().filter(|line| line.starts_with("## ")).collect();
            assert_eq!(parts, ["## Symptom", "## Check", "## Action", "## Verify"], "{}", drill.name);
        }
    }

    #[test]
    fn every_drill_is_an_experiment_of_its_name_and_fits_the_schema() {
        let schema = jsonschema::validator_for(&crate::experiment::schema()).unwrap();
        for drill in DRILLS {
            let read = drill.experiment(&BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read.name, drill.name);
            assert!(!read.schedule().is_empty() && read.expect.invariants.len() == 6, "{}", drill.name);
            let value = serde_json::to_value(toml::from_str::<toml::Table>(drill.text).unwrap()).unwrap();
            let errors: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", drill.name);
        }
        let us = BTreeMap::from([("region".to_owned(), "us".to_owned())]);
        let lost = Drill::named("region-loss").unwrap().experiment(&us).unwrap();
        assert_eq!(lost.steps[0].pick.target.to_string(), "region:us");
        assert!(Drill::named("leader-loss").unwrap().experiment(&us).unwrap_err().to_string().contains("it takes none"));
    }
}
