//! Which nodes there are, and who leads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ClusterView;

/// Who leads, as last heard. Only a higher term replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderView {
    pub term: u64,
    /// `host:port`; `None` while unknown.
    pub address: Option<String>,
}

#[derive(Debug)]
struct Inner {
    addresses: Vec<String>,
    leader: LeaderView,
    /// Whom to ask when the leader is unknown.
    next: usize,
}

#[derive(Debug)]
pub(super) struct Members {
    inner: Mutex<Inner>,
}

impl Members {
    pub(super) fn new(addresses: Vec<String>) -> Self {
        Self { inner: Mutex::new(Inner { addresses, leader: LeaderView::default(), next: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn leader(&self) -> LeaderView {
        self.lock().leader.clone()
    }

    /// The leader, or the next node in turn.
    pub(super) fn target(&self) -> String {
        let inner = self.lock();
        let leader = inner.leader.address.clone();
        leader.or_else(|| inner.addresses.get(inner.next).cloned()).unwrap_or_default()
    }

    /// Any node, for what every node answers.
    pub(super) fn any(&self) -> String {
        let inner = self.lock();
        inner.addresses.get(inner.next).cloned().unwrap_or_default()
    }

    pub(super) fn rotate(&self) {
        let mut inner = self.lock();
        inner.next = (inner.next + 1) % inner.addresses.len().max(1);
    }

    /// The node did not answer: forget it as leader, and ask another one.
    pub(super) fn failed(&self, address: &str) {
        let mut inner = self.lock();
        if inner.leader.address.as_deref() == Some(address) {
            inner.leader.address = None;
        }
        if inner.addresses.get(inner.next).is_some_and(|next| next == address) {
            inner.next = (inner.next + 1) % inner.addresses.len().max(1);
        }
    }

    /// A hint counts when it is newer, or fills a gap of the same term; only known members are believed.
    pub(super) fn hint(&self, term: u64, address: &str) {
        let mut inner = self.lock();
        let newer = term > inner.leader.term || (term == inner.leader.term && inner.leader.address.is_none());
        if newer && inner.addresses.iter().any(|known| known == address) {
            inner.leader = LeaderView { term, address: Some(address.to_owned()) };
        }
    }

    pub(super) fn learn(&self, view: &ClusterView) {
        {
            let mut inner = self.lock();
            for member in &view.members {
                if !inner.addresses.contains(&member.address) {
                    inner.addresses.push(member.address.clone());
                }
            }
        }
        if let Some(leader) = &view.leader {
            self.hint(view.term, &leader.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_term_of_a_known_member_replaces_the_leader() {
        let members = Members::new(vec!["a".into(), "b".into()]);
        members.hint(2, "a");
        members.hint(1, "b");
        members.hint(3, "stranger");
        assert_eq!(members.leader(), LeaderView { term: 2, address: Some("a".into()) });
        members.hint(3, "b");
        assert_eq!(members.target(), "b");
        members.failed("b");
        assert_eq!(members.target(), "a");
        members.hint(3, "b");
        assert_eq!(members.target(), "b");
    }
}
