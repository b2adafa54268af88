//! Whether a fault took effect, tried for real: signals by the state of the process, links by a connection over them, disks by an entry
//! that has to be written. What was so before the fault proves nothing, so that is looked at as well.

mod narrow;

use std::{collections::BTreeMap, fs, time::Duration};

use deploy_api::{Process, ProcessFault, Topology};
use fault_proxy::Condition;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    admin::gauge,
    inject::Injector,
    plan::{Action, LinkCondition},
    probe::{Heard, probe},
};

/// Links that are tried, of all that a fault is at.
const TRIED_LINKS: usize = 6;

/// Longest wait for an answer over a link or of a process: what is later counts as silence. Far above the longest round trip.
const SILENCE: Duration = Duration::from_secs(2);

/// Round trips of a try: the handshake's, and that of the end of each half.
const TRIPS: u32 = 2;

/// Tries of one link, of which the quickest counts.
const TRIES: u32 = 3;

/// Longest wait for a fault to show.
const SHOWS_WITHIN: Duration = Duration::from_secs(15);

/// Between two looks at something slow, and at something quick.
const LOOK: Duration = Duration::from_millis(100);
const GLANCE: Duration = Duration::from_millis(5);

/// How far off a clock may be from where it was set: the two are read one after the other.
const CLOCK_ROOM_MS: f64 = 500.0;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "proof", content = "because")]
pub enum Proof {
    /// It took effect.
    Bit(String),
    /// Nothing shows that it did: whatever is measured now proves nothing.
    Missed(String),
}

impl Proof {
    pub fn bit(&self) -> bool {
        matches!(self, Self::Bit(_))
    }
}

/// A link that answered before the fault.
struct Tried {
    name: String,
    address: String,
    /// What the fault adds.
    condition: Condition,
    /// Of the link without faults.
    length: Duration,
    took: Duration,
}

/// What was seen before the fault.
pub(super) struct Baseline {
    pids: BTreeMap<String, Option<u32>>,
    leader: Option<(String, u64)>,
    /// Links that answered; of the fault's links, some.
    answered: Vec<Tried>,
}

async fn leader(injector: &Injector, topology: &Topology) -> Option<(String, u64)> {
    let view = injector.admin().view(topology).await?;
    Some((view.leader?.address, view.term))
}

impl Baseline {
    pub(super) async fn take(injector: &Injector, action: &Action) -> anyhow::Result<Self> {
        let topology = injector.topology().await?;
        let pids = topology.processes.iter().map(|process| (process.name.clone(), process.pid)).collect();
        let mut answered = Vec::new();
        if let Action::Links(conditions) = action {
            let tried = some_of(conditions).into_iter().filter_map(|(name, condition)| {
                let link = topology.links.iter().find(|link| link.name == name)?;
                Some((name, link.address.clone(), condition, Duration::from_millis(link.round_trip_ms)))
            });
            let tried = tried.map(async |(name, address, condition, length)| match quickest(&address, SILENCE).await {
                Heard::Answer(took) => Some(Tried { name, address, condition, length, took }),
                _ => None,
            });
            answered.extend(join_all(tried).await.into_iter().flatten());
        }
        let leader = leader(injector, &topology).await;
        Ok(Self { pids, leader, answered })
    }

    fn pid(&self, name: &str) -> Option<u32> {
        self.pids.get(name).copied().flatten()
    }
}

/// A few links, spread over all conditions.
fn some_of(conditions: &[LinkCondition]) -> Vec<(String, Condition)> {
    let each = TRIED_LINKS.div_ceil(conditions.len().max(1));
    let of = |of: &LinkCondition| {
        let step = of.links.len().div_ceil(each).max(1);
        of.links.iter().step_by(step).map(|name| (name.clone(), of.condition)).collect::<Vec<_>>()
    };
    conditions.iter().flat_map(of).collect()
}

pub(super) async fn prove(injector: &Injector, action: &Action, before: &Baseline) -> anyhow::Result<Proof> {
    match action {
        Action::Links(conditions) => links(injector, conditions, before).await,
        Action::Transfer { to } => transferred(injector, to, before).await,
        Action::Restart { processes } => {
            let topology = injector.topology().await?;
            let anew = |name: &String| {
                let pid = topology.process(name).and_then(|process| process.pid);
                pid.is_some() && pid != before.pid(name)
            };
            Ok(all(processes, anew, "runs as another process now"))
        }
        Action::Hold { processes, fault } => {
            let topology = injector.topology().await?;
            let held: Vec<&Process> = processes.iter().filter_map(|name| topology.process(name)).collect();
            held_as(injector, &held, *fault, before).await
        }
    }
}

/// Bit when it is so of each.
fn all(names: &[String], is_so: impl Fn(&String) -> bool, what: &str) -> Proof {
    match names.iter().find(|name| !is_so(name)) {
        None => Proof::Bit(format!("{}: {what}", names.join(", "))),
        Some(other) => Proof::Missed(format!("{other}: not so that it {what}")),
    }
}

async fn held_as(injector: &Injector, held: &[&Process], fault: ProcessFault, before: &Baseline) -> anyhow::Result<Proof> {
    let mut seen = Vec::new();
    for process in held {
        let bit = match fault {
            ProcessFault::Down => is_gone(process, before).await,
            ProcessFault::Paused => is_paused(process).await,
            ProcessFault::Slow { .. } => is_slow(process.pid).await,
            ProcessFault::SlowStart { .. } => starts_slowly(injector, &process.name, before).await?,
            ProcessFault::Clock { offset_ms } => is_ahead(process, offset_ms).await,
            ProcessFault::DiskFull | ProcessFault::SyncFails => cannot_write(injector, &process.name, before).await?,
            ProcessFault::Demoted => has_no_vote(injector, process).await?,
        };
        match bit {
            Ok(what) => seen.push(format!("{}: {what}", process.name)),
            Err(why) => return Ok(Proof::Missed(format!("{}: {why}", process.name))),
        }
    }
    Ok(Proof::Bit(seen.join("; ")))
}

type Seen = Result<String, String>;

async fn is_gone(process: &Process, before: &Baseline) -> Seen {
    let was = before.pid(&process.name).ok_or("it did not run before")?;
    if deploy_api::started(was).is_some() {
        return Err(format!("process {was} still runs"));
    }
    // Children that have the socket too, as PostgreSQL's, end a moment after their parent.
    let began = Instant::now();
    loop {
        match probe(&process.http, SILENCE).await {
            Heard::Refused => return Ok(format!("process {was} is gone and {} refuses connections", process.http)),
            heard if began.elapsed() > SHOWS_WITHIN => return Err(format!("its port: {heard:?}")),
            _ => sleep(GLANCE).await,
        }
    }
}

/// The letter of proc_pid_stat(5): `T` for stopped.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

async fn is_paused(process: &Process) -> Seen {
    let pid = process.pid.ok_or("it does not run")?;
    // A signal reaches each thread of a busy process when it next runs.
    let (began, mut seen) = (Instant::now(), state(pid));
    while seen != Some('T') && began.elapsed() < SHOWS_WITHIN {
        sleep(GLANCE).await;
        seen = state(pid);
    }
    if seen != Some('T') {
        return Err(format!("process {pid} is in state {seen:?}"));
    }
    match probe(&process.http, SILENCE).await {
        Heard::Silence => Ok(format!("process {pid} is stopped; {} takes connections and says nothing", process.http)),
        heard => Err(format!("its port: {heard:?}")),
    }
}

async fn is_slow(pid: Option<u32>) -> Seen {
    let pid = pid.ok_or("it does not run")?;
    let began = Instant::now();
    let (mut stopped, mut went_on) = (0_u32, 0_u32);
    while began.elapsed() < SHOWS_WITHIN {
        *if state(pid) == Some('T') { &mut stopped } else { &mut went_on } += 1;
        if stopped > 0 && went_on > 0 {
            return Ok(format!("process {pid} is stopped and goes on, in turns"));
        }
        sleep(GLANCE).await;
    }
    Err(format!("process {pid} was stopped at {stopped} of {} looks", stopped + went_on))
}

async fn starts_slowly(injector: &Injector, name: &str, before: &Baseline) -> anyhow::Result<Seen> {
    let began = Instant::now();
    while began.elapsed() < SHOWS_WITHIN {
        let pid = injector.topology().await?.process(name).and_then(|process| process.pid);
        if pid.is_some() && pid != before.pid(name) {
            return Ok(is_slow(pid).await);
        }
        sleep(LOOK).await;
    }
    Ok(Err("it was not started again".to_owned()))
}

async fn is_ahead(process: &Process, offset_ms: i64) -> Seen {
    let admin = process.admin.as_ref().ok_or("it has no admin port")?;
    let (began, mut last) = (Instant::now(), String::new());
    while began.elapsed() < SHOWS_WITHIN {
        match gauge(admin, "inventory_clock_ahead_ms").await {
            Ok(ahead) if (ahead - offset_ms as f64).abs() < CLOCK_ROOM_MS => return Ok(format!("its clock is {ahead} ms ahead")),
            Ok(ahead) => last = format!("its clock is {ahead} ms ahead"),
            Err(error) => last = format!("{error:#}"),
        }
        sleep(LOOK).await;
    }
    Err(last)
}

/// An entry of the log has to be written by every node. One whose disk fails must not go on.
async fn cannot_write(injector: &Injector, name: &str, before: &Baseline) -> anyhow::Result<Seen> {
    let began = Instant::now();
    while began.elapsed() < SHOWS_WITHIN {
        let topology = injector.topology().await?;
        if topology.process(name).is_some_and(|process| process.pid.is_none()) {
            return Ok(Ok(format!("process {:?} could not write and ended itself", before.pid(name))));
        }
        if let Some(view) = injector.admin().view(&topology).await {
            // Where it leads, the entry is the one that it cannot write.
            let _ = injector.admin().mark(&view).await;
        }
        sleep(LOOK).await;
    }
    Ok(Err("it wrote on".to_owned()))
}

async fn has_no_vote(injector: &Injector, process: &Process) -> anyhow::Result<Seen> {
    let (began, mut last) = (Instant::now(), String::new());
    while began.elapsed() < SHOWS_WITHIN {
        let topology = injector.topology().await?;
        match injector.admin().decided_without(&topology, &process.http).await {
            Ok((index, voters)) => return Ok(Ok(format!("{voters} others vote, and committed entry {index} without it"))),
            Err(error) => last = format!("{error:#}"),
        }
        sleep(LOOK).await;
    }
    // Why the membership was not changed, if that is why.
    let (holds, _) = injector.active().await?;
    let refused = holds.into_iter().find(|hold| hold.processes.contains(&process.name)).and_then(|hold| hold.because);
    Ok(Err(refused.map_or(last.clone(), |refused| format!("{last}: {refused}"))))
}

async fn transferred(injector: &Injector, to: &str, before: &Baseline) -> anyhow::Result<Proof> {
    let (began, mut last) = (Instant::now(), None);
    while began.elapsed() < SHOWS_WITHIN {
        let topology = injector.topology().await?;
        let wanted = topology.process(to).map(|process| process.http.clone());
        last = leader(injector, &topology).await;
        let (now, was) = (last.as_ref().map(|(_, term)| *term), before.leader.as_ref().map(|(_, term)| *term));
        if wanted.is_some() && last.as_ref().map(|(address, _)| address) == wanted.as_ref() && now > was {
            return Ok(Proof::Bit(format!("{to} leads in term {}", now.unwrap_or_default())));
        }
        sleep(LOOK).await;
    }
    Ok(Proof::Missed(format!("{last:?} leads, and {:?} did before", before.leader)))
}

async fn links(injector: &Injector, conditions: &[LinkCondition], before: &Baseline) -> anyhow::Result<Proof> {
    if conditions.iter().any(|of| narrow::is_narrow(&of.condition)) {
        return narrow::narrow(injector, conditions).await;
    }
    if before.answered.is_empty() {
        return Ok(Proof::Missed("no link that the fault is at answered before, so nothing shows what it does".to_owned()));
    }
    let tried = before.answered.iter().map(async |link| {
        let heard = quickest(&link.address, SILENCE + TRIPS * (link.length + link.condition.round_trip())).await;
        shows(heard, link).map(|what| format!("{} {what}", link.name)).map_err(|why| format!("{} {why}", link.name))
    });
    let seen: Result<Vec<String>, String> = join_all(tried).await.into_iter().collect();
    Ok(seen.map_or_else(Proof::Missed, |seen| Proof::Bit(seen.join("; "))))
}

/// The quickest of a few tries: a busy machine makes an answer late, and none early.
async fn quickest(address: &str, limit: Duration) -> Heard {
    let mut best = probe(address, limit).await;
    for _ in 1..TRIES {
        let Heard::Answer(took) = best else { return best };
        let Heard::Answer(again) = probe(address, limit).await else { return best };
        best = Heard::Answer(took.min(again));
    }
    best
}

/// Whether what was heard over a link is what its condition makes of it.
fn shows(heard: Heard, link: &Tried) -> Seen {
    let Tried { condition, length, took: before, .. } = link;
    let is_deaf = !condition.connects();
    // The end of what is sent may come with the handshake; the answer to it cannot.
    let at_least = *length + condition.round_trip();
    match heard {
        Heard::Refused if condition.refuse => Ok("refuses connections".to_owned()),
        Heard::Reset if condition.reset => Ok("resets connections".to_owned()),
        Heard::Silence if is_deaf => Ok("takes connections and says nothing".to_owned()),
        Heard::Answer(took) if !is_deaf && !condition.reset && !condition.refuse && took >= at_least && *before < at_least => {
            Ok(format!("answers in {took:.0?}, and did in {before:.0?}"))
        }
        heard => Err(format!("says {heard:?}, and answered in {before:.0?} before")),
    }
}

#[cfg(test)]
mod tests {
    use fault_proxy::Way;

    use super::*;

    fn link(condition: Condition) -> Tried {
        let (name, address) = ("a>b".to_owned(), String::new());
        Tried { name, address, condition, length: Duration::from_millis(20), took: Duration::from_millis(41) }
    }

    #[test]
    fn a_link_that_answers_as_before_was_not_hurt() {
        let as_before = Heard::Answer(Duration::from_millis(43));
        let late = |millis: u64| Condition::both_ways(Way { latency_us: millis * 500, ..Way::default() });
        let deaf = Condition { forward: Way { black_hole: true, ..Way::default() }, ..Condition::default() };
        let (reset, refuse) =
            (Condition { reset: true, ..Condition::default() }, Condition { refuse: true, ..Condition::default() });
        for condition in [late(50), deaf, reset, refuse] {
            assert!(shows(as_before, &link(condition)).is_err(), "{condition:?}");
        }
        assert!(shows(Heard::Answer(Duration::from_millis(71)), &link(late(50))).is_ok());
        assert!(shows(Heard::Answer(Duration::from_millis(69)), &link(late(50))).is_err(), "20 + 50 ms is the least");
        let slow_before = Tried { took: Duration::from_millis(150), ..link(late(50)) };
        assert!(shows(Heard::Answer(Duration::from_millis(151)), &slow_before).is_err(), "it was as slow before");
        assert!(shows(Heard::Silence, &link(deaf)).is_ok() && shows(Heard::Reset, &link(reset)).is_ok());
        assert!(shows(Heard::Refused, &link(refuse)).is_ok() && shows(Heard::Refused, &link(deaf)).is_err());
        assert!(shows(Heard::Silence, &link(late(50))).is_err());
    }
}
