//! A schedule with the load beside it: what is tried, and made smaller. Pure.

use crate::experiment::{Experiment, Load, Step};

#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// In order of their beginning; at least one.
    pub steps: Vec<Step>,
    pub load: Load,
}

impl Candidate {
    pub fn of(experiment: &Experiment) -> Self {
        Self { steps: experiment.schedule(), load: experiment.load.clone() }
    }

    /// The experiment that tries it.
    ///
    /// # Errors
    /// When the text of the experiment is not the file that it was read from.
    pub fn written(&self, experiment: &Experiment) -> Result<String, toml::de::Error> {
        Experiment { load: self.load.clone(), ..experiment.clone() }.with_steps(&self.steps)
    }

    /// Of these steps only, or of all but these.
    pub(super) fn part(&self, range: std::ops::Range<usize>, without: bool) -> Self {
        let keep = |nth: &usize| range.contains(nth) != without;
        let steps = self.steps.iter().enumerate().filter(|(nth, _)| keep(nth)).map(|(_, step)| step.clone());
        Self { steps: steps.collect(), load: self.load.clone() }
    }
}
