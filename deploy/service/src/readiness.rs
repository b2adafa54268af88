//! Whether this process should get traffic, and if not, why.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Named conditions that must all hold. Starts with every one unmet.
#[derive(Clone)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>,
}

impl Readiness {
    pub fn new(names: &[&'static str]) -> Self {
        let unmet = |name: &&'static str| (*name, Err("starting".to_owned()));
        Self { conditions: Arc::new(Mutex::new(names.iter().map(unmet).collect())) }
    }

    /// Sets one condition; `Err` carries the reason shown at `/readyz`.
    pub fn set(&self, name: &'static str, state: Result<(), String>) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }

    pub fn is_ready(&self) -> bool {
        self.unmet().is_empty()
    }

    /// The conditions that do not hold, with their reasons, in order of name.
    pub fn unmet(&self) -> Vec<(&'static str, String)> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter_map(|(name, state)| Some((*name, state.as_ref().err()?.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn is_ready_only_when_every_condition_holds() {
        let readiness = Readiness::new(&["log", "leader"]);
        readiness.set("log", Ok(()));
        assert_eq!(readiness.unmet(), vec![("leader", "starting".to_owned())]);
        readiness.set("leader", Ok(()));
        assert!(readiness.is_ready());
        readiness.set("log", Err("disk full".to_owned()));
        assert!(!readiness.is_ready());
    }
}
