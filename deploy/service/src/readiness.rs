//! Whether this process should get traffic, and if not, why.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Named conditions that must all hold. Starts with every one unmet.
#[derive(Clone)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>,
    /// What is not well, and is no reason to send traffic elsewhere.
    ailing: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Readiness {
    pub fn new(names: &[&'static str]) -> Self {
        let unmet = |name: &&'static str| (*name, Err("starting".to_owned()));
        Self { conditions: Arc::new(Mutex::new(names.iter().map(unmet).collect())), ailing: Arc::default() }
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

    /// Says what is not well, or that it is again: told at `/readyz`, and the process stays as ready as it is.
    pub fn ailing(&self, name: &str, reason: Option<String>) {
        let mut ailing = self.ailing.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => ailing.insert(name.to_owned(), reason),
            None => ailing.remove(name),
        };
    }

    /// In order of name.
    pub fn ailments(&self) -> Vec<(String, String)> {
        let ailing = self.ailing.lock().unwrap_or_else(PoisonError::into_inner);
        ailing.iter().map(|(name, reason)| (name.clone(), reason.clone())).collect()
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
