//! Votes in the inventory that faults take: who shall have none and who shall have his back, and the work to make it so, for as long as that
//! takes.
//!
//! A membership lies in the nodes' logs and outlives every process. So what was taken is written down before it is, and given back when the
//! topology is started again. A change of the membership needs a leader and a quorum, which may be broken just then: nobody waits for it who
//! could be the one to mend that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use chaos::fault::Admin;
use deploy_api::{HoldView, MIN_VOTERS, Process, ProcessFault, ProcessKind};

use crate::supervisor::Supervisor;

/// Between two attempts at what could not be done.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Longest wait for votes to be given back: a node that was killed has to start, be elected, and catch up. It is gone on with all the same.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// What shall be so of a process.
#[derive(Clone, Debug)]
struct Wish {
    votes: bool,
    is_done: bool,
    /// Why it was not done at the last attempt.
    because: Option<String>,
}

type Wishes = BTreeMap<String, Wish>;

#[derive(Default)]
pub(super) struct Votes {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

/// Where the names of those are that have lost their vote to a fault.
fn file(supervisor: &Supervisor) -> PathBuf {
    supervisor.place().data_of("votes-taken.json")
}

fn write(supervisor: &Supervisor, wishes: &Wishes) -> io::Result<()> {
    let (file, names) = (file(supervisor), wishes.keys().collect::<Vec<_>>());
    if names.is_empty() {
        return match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let temporary = file.with_extension("tmp");
    fs::write(&temporary, serde_json::to_vec(&names)?)?;
    fs::rename(temporary, file)
}

/// As many nodes as the inventory has, less those that have no vote then.
fn check(processes: &[Process], nodes: usize, taken: &Wishes) -> anyhow::Result<()> {
    if let Some(other) = processes.iter().find(|process| process.kind != ProcessKind::Inventory) {
        bail!("{} is no node of the inventory, so it has no vote", other.name);
    }
    let names = processes.iter().map(|process| &process.name);
    let without: BTreeSet<&String> = names.chain(taken.keys()).collect();
    let left = nodes.saturating_sub(without.len());
    ensure!(left >= MIN_VOTERS, "{left} voters would be left, and {MIN_VOTERS} is the least: then each entry is on two disks");
    Ok(())
}

impl Votes {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to work, with what another supervisor left.
    pub(super) fn watch(supervisor: Supervisor) -> anyhow::Result<()> {
        if let Ok(bytes) = fs::read(file(&supervisor)) {
            let names: Vec<String> = serde_json::from_slice(&bytes)?;
            let wish = Wish { votes: true, is_done: false, because: None };
            supervisor.guardian().votes.lock().extend(names.into_iter().map(|name| (name, wish.clone())));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || loop {
            let votes = &supervisor.guardian().votes;
            let next = votes.next();
            let tried = runtime.block_on(attempt(&supervisor, &next));
            if tried.is_err() {
                thread::sleep(AGAIN_AFTER);
            }
            votes.note(&supervisor, &next, tried);
        };
        thread::Builder::new().name("votes".to_owned()).spawn(work)?;
        Ok(())
    }

    /// Blocks until something is to be done: whose vote, and whether he shall have it. Those that could not be done take turns.
    fn next(&self) -> (String, bool) {
        let mut wishes = self.lock();
        loop {
            let open = wishes.iter().filter(|(_, wish)| !wish.is_done);
            // Who was not tried yet comes first.
            if let Some((name, wish)) = open.min_by_key(|(_, wish)| wish.because.is_some()) {
                return (name.clone(), wish.votes);
            }
            wishes = self.changed.wait(wishes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What came of an attempt, unless something else is wanted by now.
    fn note(&self, supervisor: &Supervisor, (name, votes): &(String, bool), tried: anyhow::Result<()>) {
        let mut wishes = self.lock();
        let Some(wish) = wishes.get_mut(name).filter(|wish| wish.votes == *votes) else { return };
        wish.because = tried.as_ref().err().map(|error| format!("{error:#}"));
        wish.is_done = tried.is_ok();
        if wish.is_done && *votes {
            wishes.remove(name);
            if let Err(error) = write(supervisor, &wishes) {
                // The next start gives a vote to a voter, which changes nothing.
                eprintln!("{}: {error}", file(supervisor).display());
            }
        }
        self.changed.notify_all();
    }

    /// Has the votes taken, as soon as that can be done.
    pub(super) fn take(&self, supervisor: &Supervisor, processes: &[Process]) -> anyhow::Result<()> {
        let nodes = supervisor.topology().http_of(ProcessKind::Inventory).len();
        let mut wishes = self.lock();
        check(processes, nodes, &wishes)?;
        let wish = Wish { votes: false, is_done: false, because: None };
        wishes.extend(processes.iter().map(|process| (process.name.clone(), wish.clone())));
        self.changed.notify_all();
        write(supervisor, &wishes)?;
        Ok(())
    }

    /// Has them given back, and waits for nothing.
    pub(super) fn give_back(&self, names: &[String]) {
        let mut wishes = self.lock();
        for name in names {
            if let Some(wish) = wishes.get_mut(name) {
                *wish = Wish { votes: true, is_done: false, because: None };
            }
        }
        self.changed.notify_all();
    }

    /// Waits until nobody's vote is still to be given back.
    pub(super) fn wait(&self) -> anyhow::Result<()> {
        let until = Instant::now() + BACK_WITHIN;
        let mut wishes = self.lock();
        while let Some((name, wish)) = wishes.iter().find(|(_, wish)| wish.votes) {
            let left = until.saturating_duration_since(Instant::now());
            let because = wish.because.as_deref().unwrap_or("it was not tried yet");
            ensure!(!left.is_zero(), "{name} has no vote again, and it is gone on with: {because}");
            (wishes, _) = self.changed.wait_timeout(wishes, left).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Why a hold is not in effect yet.
    pub(super) fn because(&self, names: &[String]) -> Option<String> {
        let wishes = self.lock();
        names.iter().find_map(|name| wishes.get(name)?.because.clone())
    }

    /// Votes that nobody holds any more and that are not given back yet.
    pub(super) fn owed(&self) -> Vec<HoldView> {
        let owed = |(name, wish): (&String, &Wish)| HoldView {
            id: format!("vote-of-{name}"),
            processes: vec![name.clone()],
            fault: ProcessFault::Demoted,
            left_ms: 0,
            because: wish.because.clone(),
        };
        self.lock().iter().filter(|(_, wish)| wish.votes).map(owed).collect()
    }
}

async fn attempt(supervisor: &Supervisor, (name, votes): &(String, bool)) -> anyhow::Result<()> {
    let topology = supervisor.topology();
    // A process that is in the file and not in the topology has nothing to be given.
    let Some(process) = topology.process(name) else { return Ok(()) };
    Admin::new(&topology)?.set_vote(&topology, &process.http, *votes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, kind: ProcessKind) -> Process {
        let (name, region) = (name.to_owned(), "eu".to_owned());
        Process { name, kind, region, pid: Some(1), http: String::new(), admin: None, data_dir: None }
    }

    #[test]
    fn two_voters_are_left_whoever_took_the_others() {
        let node = |name: &str| process(name, ProcessKind::Inventory);
        let taken = Wishes::from([("a".to_owned(), Wish { votes: true, is_done: false, because: None })]);
        let none = Wishes::new();
        assert!(check(&[node("a")], 3, &none).is_ok() && check(&[node("a"), node("b")], 4, &none).is_ok());
        assert!(check(&[node("a")], 3, &taken).is_ok(), "it is the same vote");
        for (processes, nodes, taken) in
            [(vec![node("a")], 2, &none), (vec![node("b")], 3, &taken), (vec![node("a"), node("b")], 3, &none)]
        {
            assert!(check(&processes, nodes, taken).unwrap_err().to_string().contains("1 voters would be left"));
        }
        let edge = check(&[process("edge-eu", ProcessKind::Edge)], 3, &none).unwrap_err();
        assert!(edge.to_string().contains("edge-eu is no node of the inventory"), "{edge}");
    }

    #[test]
    fn what_is_wished_otherwise_meanwhile_is_not_taken_for_done() {
        let votes = Votes::default();
        votes.lock().insert("a".to_owned(), Wish { votes: false, is_done: true, because: None });
        votes.give_back(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(votes.next(), ("a".to_owned(), true));
        assert_eq!(votes.owed().len(), 1, "b had lost nothing");
        assert!(votes.owed()[0].because.is_none());
    }
}
