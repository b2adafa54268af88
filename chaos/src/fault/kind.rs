//! The faults that there are, by name, with their parameters and bounds. Pure.

use std::{collections::BTreeMap, num::NonZeroU64};

use deploy_api::ProcessFault;
use fault_proxy::{Condition, Way};

use super::partition::Shape;

/// A number that a fault takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// With its unit last.
    pub name: &'static str,
    pub default: i64,
    pub least: i64,
    pub most: i64,
}

/// A fault as people read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: &'static str,
    pub about: &'static str,
    pub parameters: &'static [Parameter],
    /// What the topology must have been started with.
    pub needs: Needs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    Links,
    FaultPoints,
}

impl Needs {
    pub fn flag(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Links => "--links",
            Self::FaultPoints => "--fault-points",
        }
    }
}

const fn number(name: &'static str, default: i64, least: i64, most: i64) -> Parameter {
    Parameter { name, default, least, most }
}

const STOPPED: &[Parameter] = &[number("stopped_percent", 90, 1, 99)];
const LATENCY: &[Parameter] = &[number("latency_ms", 100, 1, 60_000), number("jitter_ms", 0, 0, 60_000)];
const BANDWIDTH: &[Parameter] = &[number("bytes_per_s", 10_000, 1, 1_000_000_000)];
const CLOCK: &[Parameter] = &[number("offset_ms", 60_000, -86_400_000, 86_400_000)];

const fn entry(name: &'static str, needs: Needs, parameters: &'static [Parameter], about: &'static str) -> Entry {
    Entry { name, about, parameters, needs }
}

/// All faults, in the order of `chaos list`.
pub const CATALOG: [Entry; 20] = [
    entry("process.kill", Needs::Nothing, &[], "kill -9; started again at the end"),
    entry("process.pause", Needs::Nothing, &[], "SIGSTOP, children too: holds its connections and says nothing"),
    entry("process.slow", Needs::Nothing, STOPPED, "stopped for a share of each 100 ms"),
    entry("process.slow-start", Needs::Nothing, STOPPED, "killed, started at once, and slow from its first moment"),
    entry(
        "process.rolling-restart",
        Needs::Nothing,
        &[],
        "killed and started, one after the other; the next when the one before is ready",
    ),
    entry("partition.isolate", Needs::Links, &[], "the targets and everybody else do not hear each other"),
    entry("partition.one-way", Needs::Links, &[], "nobody else hears the targets; they hear everybody"),
    entry("partition.halves", Needs::Links, &[], "the regions in two halves that do not hear each other, the targets' first"),
    entry("partition.bridge", Needs::Links, &[], "as halves, but one region hears both"),
    entry("partition.ring", Needs::Links, &[], "each of five regions hears a majority, and no two the same one"),
    entry("link.latency", Needs::Links, LATENCY, "every link to and from the targets is longer, each way"),
    entry("link.bandwidth", Needs::Links, BANDWIDTH, "every link to and from the targets is narrow"),
    entry("link.black-hole", Needs::Links, &[], "links to the targets take connections and no bytes"),
    entry("link.reset", Needs::Links, &[], "connections to and from the targets are reset, new ones too"),
    entry("link.refuse", Needs::Links, &[], "new connections to the targets are refused"),
    entry("disk.full", Needs::FaultPoints, &[], "an inventory node's writes fail with ENOSPC"),
    entry("disk.sync-fails", Needs::FaultPoints, &[], "an inventory node's syncs fail with EIO"),
    entry("clock.skew", Needs::FaultPoints, CLOCK, "an inventory node's clock is ahead, or behind"),
    entry(
        "member.demote",
        Needs::Nothing,
        &[],
        "an inventory node's vote is taken: the membership has it as a learner, and as a voter again at the end",
    ),
    entry("leader.transfer", Needs::Nothing, &[], "leadership is handed to a target, or to any other voter"),
];

/// A fault with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Process(ProcessFault),
    RollingRestart,
    Partition(Shape),
    /// At links to the targets, and, where `from_too`, from them.
    Link {
        condition: Condition,
        from_too: bool,
    },
    LeaderTransfer,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultError {
    #[error("there is no fault {name:?}; there are {}", names())]
    Unknown { name: String },
    #[error("{fault} takes no {parameter:?}; it takes {}", takes(fault))]
    UnknownParameter { fault: &'static str, parameter: String },
    #[error("{fault}: {} is {} to {}", .parameter.name, .parameter.least, .parameter.most)]
    OutOfBounds { fault: &'static str, parameter: Parameter },
    #[error("{fault} as asked for changes nothing: {reason}")]
    Nothing { fault: &'static str, reason: &'static str },
}

fn names() -> String {
    CATALOG.map(|entry| entry.name).join(", ")
}

fn takes(fault: &str) -> String {
    let of = CATALOG.iter().find(|entry| entry.name == fault).map_or(&[][..], |entry| entry.parameters);
    if of.is_empty() { "none".to_owned() } else { of.iter().map(|one| one.name).collect::<Vec<_>>().join(", ") }
}

impl Entry {
    /// Whether it is held for a time; the others do something and are over.
    pub fn lasts(&self) -> bool {
        !matches!(self.name, "process.rolling-restart" | "leader.transfer")
    }

    /// The name of what shows that it took effect.
    pub fn proof(&self) -> &'static str {
        self.shown().0
    }

    /// The same in words.
    pub fn proved_by(&self) -> &'static str {
        self.shown().1
    }

    fn shown(&self) -> (&'static str, &'static str) {
        match self.name {
            "process.kill" => ("process_gone", "the process is gone and its port refuses connections"),
            "process.pause" => ("process_stopped", "the process is stopped, its port takes connections and says nothing"),
            "process.slow" | "process.slow-start" => ("process_slow", "the process is seen stopped and going on, in turns"),
            "process.rolling-restart" => ("process_restarted", "each runs as another process afterwards"),
            "link.latency" => ("link_late", "links that answered sooner before now take as long as they must"),
            "link.bandwidth" => {
                ("link_narrow", "a link takes a twentieth of the time or more for what goes over it, and makes bytes wait")
            }
            "link.reset" => ("link_reset", "links that answered before now reset connections"),
            "link.refuse" => ("link_refused", "links that answered before now refuse connections"),
            "disk.full" | "disk.sync-fails" => {
                ("disk_failed", "the process could not write an entry of the log and ended itself")
            }
            "clock.skew" => ("clock_ahead", "the metric inventory_clock_ahead_ms says so"),
            "member.demote" => ("membership_changed", "the leader has it as a learner, and commits an entry without its vote"),
            "leader.transfer" => ("leader_changed", "the target leads in a higher term"),
            _ => ("peer_unreachable", "links that answered before take connections and say nothing"),
        }
    }

    pub fn named(name: &str) -> Result<&'static Self, FaultError> {
        CATALOG.iter().find(|entry| entry.name == name).ok_or_else(|| FaultError::Unknown { name: name.to_owned() })
    }
}

impl Fault {
    /// The fault of that name; what is not given has its default.
    pub fn parse(name: &str, given: &BTreeMap<String, i64>) -> Result<Self, FaultError> {
        let entry = Entry::named(name)?;
        if let Some(parameter) = given.keys().find(|name| !entry.parameters.iter().any(|one| one.name == **name)) {
            return Err(FaultError::UnknownParameter { fault: entry.name, parameter: parameter.clone() });
        }
        let out_of_bounds = |one: &&Parameter| given.get(one.name).is_some_and(|value| !(one.least..=one.most).contains(value));
        if let Some(parameter) = entry.parameters.iter().find(out_of_bounds) {
            return Err(FaultError::OutOfBounds { fault: entry.name, parameter: *parameter });
        }
        let number = |name: &str| {
            let default = entry.parameters.iter().find(|one| one.name == name).map_or(0, |one| one.default);
            given.get(name).copied().unwrap_or(default)
        };
        let percent = || u8::try_from(number("stopped_percent")).unwrap_or(99);
        let fault = match name {
            "process.kill" => Self::Process(ProcessFault::Down),
            "process.pause" => Self::Process(ProcessFault::Paused),
            "process.slow" => Self::Process(ProcessFault::Slow { stopped_percent: percent() }),
            "process.slow-start" => Self::Process(ProcessFault::SlowStart { stopped_percent: percent() }),
            "process.rolling-restart" => Self::RollingRestart,
            "disk.full" => Self::Process(ProcessFault::DiskFull),
            "disk.sync-fails" => Self::Process(ProcessFault::SyncFails),
            "clock.skew" => Self::Process(ProcessFault::Clock { offset_ms: number("offset_ms") }),
            "member.demote" => Self::Process(ProcessFault::Demoted),
            "leader.transfer" => Self::LeaderTransfer,
            "partition.isolate" => Self::Partition(Shape::Isolate),
            "partition.one-way" => Self::Partition(Shape::OneWay),
            "partition.halves" => Self::Partition(Shape::Halves),
            "partition.bridge" => Self::Partition(Shape::Bridge),
            "partition.ring" => Self::Partition(Shape::Ring),
            _ => link(name, &number),
        };
        fault.check(entry.name)
    }

    fn check(self, fault: &'static str) -> Result<Self, FaultError> {
        match self {
            Self::Process(ProcessFault::Clock { offset_ms: 0 }) => Err(FaultError::Nothing { fault, reason: "offset_ms is 0" }),
            fine => Ok(fine),
        }
    }
}

fn link(name: &str, number: &dyn Fn(&str) -> i64) -> Fault {
    let micros = |name| u64::try_from(number(name)).unwrap_or_default() * 1_000;
    let (condition, from_too) = match name {
        "link.latency" => {
            let way = Way { latency_us: micros("latency_ms"), jitter_us: micros("jitter_ms"), ..Way::default() };
            (Condition::both_ways(way), true)
        }
        "link.bandwidth" => {
            let bytes_per_s = u64::try_from(number("bytes_per_s")).ok().and_then(NonZeroU64::new);
            (Condition::both_ways(Way { bytes_per_s, ..Way::default() }), true)
        }
        "link.reset" => (Condition { reset: true, ..Condition::default() }, true),
        "link.refuse" => (Condition { refuse: true, ..Condition::default() }, false),
        _ => (Condition::cut(), false),
    };
    Fault::Link { condition, from_too }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, given: &[(&str, i64)]) -> Result<Fault, FaultError> {
        Fault::parse(name, &given.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn every_fault_of_the_catalog_is_one_and_each_is_another() {
        let faults: Vec<Fault> = CATALOG.iter().map(|entry| parse(entry.name, &[]).unwrap()).collect();
        for (nth, fault) in faults.iter().enumerate() {
            assert!(!faults[..nth].contains(fault), "{} is another one's", CATALOG[nth].name);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let said = |result: Result<Fault, FaultError>| result.unwrap_err().to_string();
        assert!(said(parse("process.sleep", &[])).contains("process.pause"));
        assert!(said(parse("link.latency", &[("delay_ms", 1)])).contains("latency_ms, jitter_ms"));
        assert!(said(parse("process.kill", &[("signal", 9)])).contains("takes none"));
        assert!(said(parse("process.slow", &[("stopped_percent", 100)])).contains("1 to 99"));
        assert!(said(parse("clock.skew", &[("offset_ms", 0)])).contains("changes nothing"));
        assert!(said(parse("link.latency", &[("latency_ms", 0)])).contains("1 to 60000"));
        let late = parse("link.latency", &[("latency_ms", 5)]).unwrap();
        let Fault::Link { condition, from_too: true } = late else { panic!("{late:?}") };
        assert_eq!((condition.forward.latency_us, condition.backward.latency_us), (5_000, 5_000));
    }
}
