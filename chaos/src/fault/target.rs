//! Whom a fault is at. Names are resolved against the topology as it is at that moment. Pure.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use deploy_api::ProcessKind;

use super::snapshot::Snapshot;

/// How deep targets may be nested; `random(region-of(leader))` is two.
const MAX_DEPTH: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node of the inventory that leads.
    Leader,
    /// Every voter that does not.
    Follower,
    /// As many voters of the inventory as may be lost, the leader first: a quorum is left, and not one more.
    QuorumMinusOne,
    /// All of the region in which the target is.
    RegionOf(Box<Target>),
    Region(String),
    /// One of them, by the seed.
    Random(Box<Target>),
    /// `edge`, `edge:*`, `edge:eu`.
    Kind(ProcessKind, Option<String>),
    /// By its name in `cargo deploy status`.
    Process(String),
    Everything,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    #[error(
        "{0:?} is no target; say leader, follower, quorum-minus-one, everything, region:NAME, region-of(TARGET), random(TARGET), KIND, KIND:* or \
         KIND:REGION (inventory, edge, catalog, orders, payments, postgres, redis, etcd, haproxy), or the name of a process"
    )]
    Malformed(String),
    #[error("nobody leads the inventory now")]
    NoLeader,
    #[error("{target} is nobody here; there are {there_are}")]
    Nobody { target: String, there_are: String },
}

fn kind(name: &str) -> Option<ProcessKind> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok().filter(|kind: &ProcessKind| !kind.is_apparatus())
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        parse(text.trim(), MAX_DEPTH).ok_or_else(|| TargetError::Malformed(text.to_owned()))
    }
}

fn parse(text: &str, depth: usize) -> Option<Target> {
    let inside = |function: &str| text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(inner) = inside("region-of") {
        return Some(Target::RegionOf(Box::new(parse(inner.trim(), depth.checked_sub(1)?)?)));
    }
    if let Some(inner) = inside("random") {
        return Some(Target::Random(Box::new(parse(inner.trim(), depth.checked_sub(1)?)?)));
    }
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match text.split_once(':') {
        Some(("region", name)) => plain(name).then(|| Target::Region(name.to_owned())),
        Some((name, "*")) => kind(name).map(|kind| Target::Kind(kind, None)),
        Some((name, region)) if plain(region) => kind(name).map(|kind| Target::Kind(kind, Some(region.to_owned()))),
        Some(_) => None,
        None => match text {
            "leader" => Some(Target::Leader),
            "follower" => Some(Target::Follower),
            "quorum-minus-one" => Some(Target::QuorumMinusOne),
            "everything" => Some(Target::Everything),
            name if kind(name).is_some() => kind(name).map(|kind| Target::Kind(kind, None)),
            name => plain(name).then(|| Target::Process(name.to_owned())),
        },
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => f.write_str("leader"),
            Self::Follower => f.write_str("follower"),
            Self::QuorumMinusOne => f.write_str("quorum-minus-one"),
            Self::Everything => f.write_str("everything"),
            Self::RegionOf(inner) => write!(f, "region-of({inner})"),
            Self::Random(inner) => write!(f, "random({inner})"),
            Self::Region(name) => write!(f, "region:{name}"),
            Self::Process(name) => f.write_str(name),
            Self::Kind(kind, region) => {
                let kind =
                    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
                write!(f, "{kind}:{}", region.as_deref().unwrap_or("*"))
            }
        }
    }
}

impl Target {
    /// Names of the processes that are meant now, in order; at least one.
    pub fn resolve(&self, snapshot: &Snapshot, seed: u64) -> Result<Vec<String>, TargetError> {
        let found: Vec<String> = self.find(snapshot, seed)?.into_iter().collect();
        if found.is_empty() {
            let there_are = snapshot.processes.iter().map(|process| process.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(TargetError::Nobody { target: self.to_string(), there_are });
        }
        Ok(found)
    }

    fn find(&self, snapshot: &Snapshot, seed: u64) -> Result<BTreeSet<String>, TargetError> {
        let leader = || snapshot.leader.clone().ok_or(TargetError::NoLeader);
        let voters = || snapshot.voters.iter();
        Ok(match self {
            Self::Leader => BTreeSet::from([leader()?]),
            Self::Follower => {
                let leader = leader()?;
                voters().filter(|name| **name != leader).cloned().collect()
            }
            Self::QuorumMinusOne => {
                let lost = voters().count().saturating_sub(1) / 2;
                let leader = leader()?;
                let rest = voters().filter(|name| **name != leader).cloned();
                std::iter::once(leader.clone()).chain(rest).take(lost).collect()
            }
            Self::RegionOf(inner) => {
                let of: BTreeSet<String> = inner.find(snapshot, seed)?;
                let regions: BTreeSet<&str> = of.iter().filter_map(|name| snapshot.region_of(name)).collect();
                snapshot.in_regions(&regions)
            }
            Self::Region(region) => snapshot.in_regions(&BTreeSet::from([region.as_str()])),
            Self::Random(inner) => {
                let of: Vec<String> = inner.find(snapshot, seed)?.into_iter().collect();
                draw(&of, seed).into_iter().collect()
            }
            Self::Kind(kind, region) => {
                let there = |name: &&str| region.as_deref().is_none_or(|region| snapshot.region_of(name) == Some(region));
                snapshot.of_kind(*kind).filter(there).map(str::to_owned).collect()
            }
            Self::Process(name) => snapshot.region_of(name).map(|_| name.clone()).into_iter().collect(),
            Self::Everything => snapshot.processes.iter().map(|process| process.name.clone()).collect(),
        })
    }
}

/// The same seed draws the same one of the same names, whatever their order.
fn draw(of: &[String], seed: u64) -> Option<String> {
    let ticket = |name: &&String| {
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        hasher.finish()
    };
    of.iter().min_by_key(ticket).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::snapshot::tests::snapshot;

    fn resolved(target: &str, seed: u64) -> Vec<String> {
        target.parse::<Target>().unwrap().resolve(&snapshot(), seed).unwrap()
    }

    #[test]
    fn names_mean_who_they_mean_now() {
        assert_eq!(resolved("leader", 0), ["inventory-us"]);
        assert_eq!(resolved("follower", 0), ["inventory-ap", "inventory-eu"]);
        assert_eq!(resolved("quorum-minus-one", 0), ["inventory-us"]);
        assert_eq!(resolved("edge:*", 0), resolved("edge", 0));
        assert_eq!(resolved("redis:us", 0), ["redis-us"]);
        assert_eq!(resolved("postgres", 0), ["postgres"]);
        assert_eq!(resolved("region-of(leader)", 0), ["edge-us", "inventory-us", "orders-us", "redis-us"]);
        assert_eq!(resolved("region:us", 0), resolved("region-of( redis-us )", 0));
        assert!(!resolved("everything", 0).contains(&"links".to_owned()));
    }

    #[test]
    fn who_has_no_vote_is_no_follower_and_leaves_fewer_to_lose() {
        let addresses = ["inventory-eu:1".to_owned(), "inventory-us:1".to_owned()];
        let snapshot = snapshot().with_voters(&addresses);
        let resolved = |target: &str| target.parse::<Target>().unwrap().resolve(&snapshot, 0);
        assert_eq!(resolved("follower").unwrap(), ["inventory-eu"]);
        assert!(matches!(resolved("quorum-minus-one"), Err(TargetError::Nobody { .. })), "of two voters none may be lost");
        assert_eq!(resolved("inventory").unwrap().len(), 3);
    }

    #[test]
    fn a_seed_draws_one_and_every_one_is_drawn_by_some_seed() {
        let drawn: BTreeSet<String> = (0..64).flat_map(|seed| resolved("random(follower)", seed)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), resolved("follower", 0));
        assert_eq!(resolved("random(follower)", 7), resolved("random(follower)", 7));
        assert!(resolved("region-of(random(edge))", 3).len() >= 4);
    }

    #[test]
    fn what_is_no_target_is_told_and_so_is_who_is_nobody() {
        for bad in [
            "",
            "links",
            "drills",
            "edge:",
            "edge:eu!",
            "region:",
            "random()",
            "random(edge",
            "worker:*",
            "a b",
            "random(random(random(random(random(edge)))))",
        ] {
            let parsed = bad.parse::<Target>();
            let refused = parsed.is_err() || parsed.as_ref().is_ok_and(|target| target.resolve(&snapshot(), 0).is_err());
            assert!(refused, "{bad:?} is {parsed:?}");
        }
        let nobody = "edge:mars".parse::<Target>().unwrap().resolve(&snapshot(), 0).unwrap_err();
        assert!(nobody.to_string().contains("edge:mars is nobody here; there are postgres"), "{nobody}");
        let leaderless = Snapshot { leader: None, ..snapshot() };
        assert_eq!("region-of(leader)".parse::<Target>().unwrap().resolve(&leaderless, 0), Err(TargetError::NoLeader));
        for text in ["leader", "random(follower)", "region-of(random(edge:*))", "redis:eu", "region:ap", "orders-eu"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }
}
