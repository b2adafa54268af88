//! The view of the leader: by term, of configured members alone.
//!
//! Pure: what nodes and services say comes in. Owns: whom to believe. Only a higher term replaces a leader; an address that is no
//! member is as good as silence.

/// What one node said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It does not answer, or names a stranger.
    Nothing,
    /// It knows no leader; its own term may be that of an election it cannot win.
    NoLeader,
    Leads {
        term: u64,
        member: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// This member leads.
    Led { term: u64, member: usize },
    /// Nodes answer, and know of no leader.
    Leaderless,
    /// No node answers: there may be a leader that this edge cannot see.
    Unseen,
}

#[derive(Clone, Debug)]
pub(super) struct View {
    members: Vec<String>,
    term: u64,
    leader: Option<usize>,
    said: Vec<Said>,
}

impl View {
    pub(super) fn new(members: Vec<String>) -> Self {
        let said = vec![Said::Nothing; members.len()];
        Self { members, term: 0, leader: None, said }
    }

    fn member(&self, address: &str) -> Option<usize> {
        self.members.iter().position(|member| member == address)
    }

    pub(super) fn standing(&self) -> Standing {
        match self.leader {
            Some(member) => Standing::Led { term: self.term, member },
            None if self.said.contains(&Said::NoLeader) => Standing::Leaderless,
            None => Standing::Unseen,
        }
    }

    /// A node says who leads: `None` for nobody.
    pub(super) fn answered(&mut self, node: usize, term: u64, leader: Option<&str>) {
        let said = match leader {
            None => Said::NoLeader,
            Some(address) => self.member(address).map_or(Said::Nothing, |member| Said::Leads { term, member }),
        };
        self.say(node, said);
        match said {
            Said::Leads { term, member } if term > self.term || (term == self.term && self.leader.is_none()) => {
                (self.term, self.leader) = (term, Some(member));
            }
            // Nobody sees the leader of this term any more. One node that does is enough: the others may be cut off.
            Said::NoLeader if !self.said.iter().any(|said| matches!(said, Said::Leads { term, .. } if *term >= self.term)) => {
                self.leader = None;
            }
            _ => {}
        }
    }

    /// A node does not answer.
    pub(super) fn silent(&mut self, node: usize) {
        self.say(node, Said::Nothing);
    }

    fn say(&mut self, node: usize, said: Said) {
        if let Some(slot) = self.said.get_mut(node) {
            *slot = said;
        }
    }

    /// A service says who leads. It may be behind, so it fills a gap of the same term only while no majority of the nodes denies it.
    pub(super) fn hint(&mut self, term: u64, address: &str) {
        let Some(member) = self.member(address) else { return };
        let deny = self.said.iter().filter(|said| **said == Said::NoLeader).count();
        let denied = deny > self.members.len() / 2;
        if term > self.term || (term == self.term && self.leader.is_none() && !denied) {
            (self.term, self.leader) = (term, Some(member));
        }
    }
}

/// The two nodes that are listened to all the time: when one does not answer, the next in turn takes its place.
pub(super) fn listened_to(now: [usize; 2], failed: usize, members: usize) -> [usize; 2] {
    let other = if now[0] == failed { now[1] } else { now[0] };
    if !now.contains(&failed) || members < 3 {
        return now;
    }
    let next = (1..members).map(|step| (failed + step) % members).find(|next| *next != other);
    [other, next.unwrap_or(failed)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view() -> View {
        View::new(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
    }

    const fn led(term: u64, member: usize) -> Standing {
        Standing::Led { term, member }
    }

    #[test]
    fn only_a_higher_term_of_a_member_counts() {
        let mut view = view();
        assert_eq!(view.standing(), Standing::Unseen);
        view.hint(3, "a");
        view.hint(2, "b");
        view.hint(9, "stranger");
        view.answered(0, 9, Some("stranger"));
        assert_eq!(view.standing(), led(3, 0));
        view.answered(2, 4, Some("b"));
        assert_eq!(view.standing(), led(4, 1));
    }

    #[test]
    fn a_leader_is_lost_when_no_node_sees_it_any_more() {
        let mut view = view();
        view.answered(1, 5, Some("a"));
        view.answered(2, 6, None);
        assert_eq!(view.standing(), led(5, 0), "a node that is cut off took the leader away");
        view.answered(1, 6, None);
        assert_eq!(view.standing(), Standing::Leaderless);
        view.hint(5, "a");
        assert_eq!(view.standing(), Standing::Leaderless, "a service that is behind brought the dead leader back");
        view.answered(2, 7, Some("c"));
        assert_eq!(view.standing(), led(7, 2));
    }

    #[test]
    fn a_service_is_believed_where_only_a_few_nodes_can_be_asked() {
        let mut view = view();
        view.answered(0, 5, Some("b"));
        view.answered(0, 8, None);
        assert_eq!(view.standing(), Standing::Leaderless);
        view.hint(5, "b");
        assert_eq!(view.standing(), led(5, 1));
    }

    #[test]
    fn whoever_does_not_answer_is_listened_to_no_more() {
        assert_eq!(listened_to([0, 1], 1, 3), [0, 2]);
        assert_eq!(listened_to([0, 2], 0, 3), [2, 1]);
        assert_eq!(listened_to([0, 2], 1, 3), [0, 2]);
        assert_eq!(listened_to([0, 1], 0, 2), [0, 1]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Answered(usize, u64, Option<usize>),
        Silent(usize),
        Hint(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        // The fourth name is a stranger's.
        prop_oneof![
            (0_usize..3, 0_u64..12, prop::option::of(0_usize..4))
                .prop_map(|(node, term, leader)| Step::Answered(node, term, leader)),
            (0_usize..3).prop_map(Step::Silent),
            (0_u64..12, 0_usize..4).prop_map(|(term, leader)| Step::Hint(term, leader)),
        ]
    }

    proptest! {
        /// Against what was really said: the leader is one that somebody named in that term, and a term never goes back.
        #[test]
        fn terms_never_go_back_and_nobody_is_made_up(steps in prop::collection::vec(step(), 1..80)) {
            let names = ["a", "b", "c", "stranger"];
            let (mut view, mut highest, mut said) = (view(), 0, Vec::new());
            for step in steps {
                match step {
                    Step::Answered(node, term, leader) => {
                        said.extend(leader.map(|leader| (term, leader)));
                        view.answered(node, term, leader.map(|leader| names[leader]));
                    }
                    Step::Silent(node) => view.silent(node),
                    Step::Hint(term, leader) => {
                        said.push((term, leader));
                        view.hint(term, names[leader]);
                    }
                }
                if let Standing::Led { term, member } = view.standing() {
                    prop_assert!(member < 3 && said.contains(&(term, member)));
                    prop_assert!(term >= highest);
                    highest = term;
                }
            }
        }
    }
}
