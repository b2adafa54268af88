//! A topology to measure, with the seed's products.

use crate::{
    build::Programs,
    plan::{Place, target_directory},
    seed,
    supervisor::Supervisor,
    topology::Spec,
};

/// Gone, with its data, when this is dropped.
pub(super) struct Stand {
    pub(super) supervisor: Supervisor,
    name: String,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.supervisor.stop();
        let _ = std::fs::remove_dir_all(target_directory().join("deploy").join(&self.name));
    }
}

impl Stand {
    /// `kind`: of those that stand at once, each has its own.
    pub(super) fn start(kind: &str, spec: &Spec, programs: &Programs) -> anyhow::Result<Self> {
        let name = format!("bench-{kind}-{}", std::process::id());
        let supervisor = Supervisor::start(Place::of(&name)?.with_any_ports(), spec, programs.clone())?;
        let stand = Self { supervisor, name };
        seed::seed(&stand.supervisor, &[])?;
        Ok(stand)
    }
}
