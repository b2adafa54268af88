//! Partitions: which links are cut, and in which direction. Pure.

use std::collections::BTreeSet;

use deploy_api::Link;
use fault_proxy::{Condition, Way};

use super::snapshot::Snapshot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The targets from everybody else.
    Isolate,
    /// What the targets say is lost.
    OneWay,
    /// The regions in two; the targets' are in one half.
    Halves,
    /// Two halves, and one region that hears both.
    Bridge,
    /// Each region hears a majority, and no two the same one.
    Ring,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShapeError {
    #[error("there are no links; start the topology with `cargo deploy up --links`")]
    NoLinks,
    #[error("this partition takes {wanted} regions; there are {there_are}")]
    TooFewRegions { wanted: usize, there_are: usize },
    #[error("no link is between the targets and the others")]
    NothingBetween,
}

/// Bytes of one direction are lost.
const LOST: Way = Way { latency_us: 0, jitter_us: 0, bytes_per_s: None, black_hole: true };

/// The links that are cut, by what becomes of them.
pub(super) fn cuts(shape: Shape, targets: &[String], snapshot: &Snapshot) -> Result<Vec<(Condition, Vec<String>)>, ShapeError> {
    if snapshot.links.is_empty() {
        return Err(ShapeError::NoLinks);
    }
    let is_target = |name: &str| targets.iter().any(|target| target == name);
    let condition = |link: &Link| match (shape, is_target(&link.from), is_target(&link.to)) {
        (Shape::Isolate, from, to) => (from != to).then(Condition::cut),
        (Shape::OneWay, true, false) => Some(Condition { forward: LOST, ..Condition::default() }),
        (Shape::OneWay, false, true) => Some(Condition { backward: LOST, ..Condition::default() }),
        (Shape::OneWay, ..) => None,
        (Shape::Halves | Shape::Bridge | Shape::Ring, ..) => None,
    };
    let mut cuts: Vec<(Condition, Vec<String>)> = Vec::new();
    let mut add = |condition: Condition, link: &Link| match cuts.iter_mut().find(|(known, _)| *known == condition) {
        Some((_, links)) => links.push(link.name.clone()),
        None => cuts.push((condition, vec![link.name.clone()])),
    };
    if matches!(shape, Shape::Isolate | Shape::OneWay) {
        snapshot
            .links
            .iter()
            .filter_map(|link| Some((condition(link)?, link)))
            .for_each(|(condition, link)| add(condition, link));
    } else {
        let deaf = deaf_pairs(shape, targets, snapshot)?;
        let between = |link: &&Link| deaf.contains(&(link.from_region.as_str(), link.to_region.as_str()));
        snapshot.links.iter().filter(between).for_each(|link| add(Condition::cut(), link));
    }
    if cuts.is_empty() { Err(ShapeError::NothingBetween) } else { Ok(cuts) }
}

/// Pairs of regions that do not hear each other, in both orders.
fn deaf_pairs<'a>(shape: Shape, targets: &[String], snapshot: &'a Snapshot) -> Result<BTreeSet<(&'a str, &'a str)>, ShapeError> {
    let mut regions = snapshot.regions();
    let wanted = match shape {
        Shape::Halves => 2,
        Shape::Bridge => 3,
        _ => 5,
    };
    let there_are = regions.len();
    if there_are < wanted {
        return Err(ShapeError::TooFewRegions { wanted, there_are });
    }
    // The targets' regions come first, and with them the smaller half.
    let meant: BTreeSet<&str> = targets.iter().filter_map(|name| snapshot.region_of(name)).collect();
    regions.sort_by_key(|region| !meant.contains(region));
    let half = there_are / 2;
    let is_deaf = |one: usize, other: usize| match shape {
        Shape::Halves => (one < half) != (other < half),
        Shape::Bridge => one != half && other != half && (one < half) != (other < half),
        _ => {
            // Of n in a ring, each hears the nearest n / 4 on either side.
            let apart = one.abs_diff(other);
            apart.min(there_are - apart) > there_are / 4
        }
    };
    let all = (0..there_are).flat_map(|one| (0..there_are).map(move |other| (one, other)));
    Ok(all
        .filter(|(one, other)| one != other && is_deaf(*one, *other))
        .map(|(one, other)| (regions[one], regions[other]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::snapshot::tests::{snapshot, with_regions};

    const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Regions that hear a region's node, by the links between nodes of the inventory, itself too.
    fn hears(shape: Shape, targets: &[&str], regions: &[&str]) -> Vec<BTreeSet<String>> {
        let snapshot = with_regions(regions);
        let cut: BTreeSet<String> =
            cuts(shape, &names(targets), &snapshot).unwrap().into_iter().flat_map(|(_, links)| links).collect();
        let hears = |one: &str, other: &str| {
            one == other
                || !cut.contains(&format!("inventory-{one}>inventory-{other}"))
                    && !cut.contains(&format!("inventory-{other}>inventory-{one}"))
        };
        regions
            .iter()
            .map(|one| regions.iter().filter(|other| hears(one, other)).map(|other| (*other).to_owned()).collect())
            .collect()
    }

    #[test]
    fn the_isolated_hear_each_other_alone() {
        let region = names(&["inventory-us", "orders-us", "edge-us", "redis-us"]);
        let cut = cuts(Shape::Isolate, &region, &snapshot()).unwrap();
        assert_eq!((cut.len(), cut[0].0), (1, Condition::cut()));
        let crosses = |name: &String| name.split('>').filter(|end| end.ends_with("us")).count() == 1;
        assert!(cut[0].1.iter().all(crosses), "{cut:?}");
        let all = snapshot().links.iter().map(|link| link.name.clone()).filter(crosses).count();
        assert_eq!(cut[0].1.len(), all);
    }

    #[test]
    fn one_way_loses_what_the_targets_say_and_nothing_else() {
        for (condition, links) in cuts(Shape::OneWay, &names(&["inventory-us"]), &snapshot()).unwrap() {
            for link in links {
                let speaks = link.starts_with("inventory-us>");
                assert_eq!((condition.forward.black_hole, condition.backward.black_hole), (speaks, !speaks), "{link}");
            }
        }
    }

    #[test]
    fn halves_bridges_and_rings_are_what_they_are_called() {
        let [a, b, c, d, e] = hears(Shape::Halves, &["inventory-e"], &FIVE).try_into().unwrap();
        assert!(a == e && a.len() == 2 && b == c && c == d && b.len() == 3 && a.is_disjoint(&b));
        let bridged = hears(Shape::Bridge, &["inventory-a"], &["a", "b", "c"]);
        let mut sizes: Vec<usize> = bridged.iter().map(BTreeSet::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [2, 2, 3], "{bridged:?}");
        let ring = hears(Shape::Ring, &["inventory-a"], &FIVE);
        assert!(ring.iter().all(|heard| heard.len() == 3));
        assert_eq!(ring.iter().collect::<BTreeSet<_>>().len(), 5, "two see the same majority");
        let too_few = cuts(Shape::Ring, &names(&["inventory-us"]), &snapshot());
        assert_eq!(too_few, Err(ShapeError::TooFewRegions { wanted: 5, there_are: 3 }));
        let unlinked = Snapshot { links: Vec::new(), ..snapshot() };
        assert_eq!(cuts(Shape::Isolate, &[], &unlinked), Err(ShapeError::NoLinks));
        assert_eq!(cuts(Shape::Isolate, &names(&["redis-us"]), &snapshot()), Err(ShapeError::NothingBetween));
    }
}
