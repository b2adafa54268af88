//! What befalls the cluster: crashes, power cuts, cut links. Decided between the steps, from the seed.

use std::{collections::BTreeMap, time::Duration};

use turmoil::Sim;

use crate::{
    dice::Dice,
    plan::{Bug, Plan},
    talk::host,
    world::World,
};

/// Between two times that a planted bug forgets what was refused.
const FORGET_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Crash,
    PowerCut,
    Cut,
    Forget,
}

pub(crate) struct Storm {
    dice: Dice,
    /// When each kind of fault comes next.
    next: BTreeMap<Fault, Duration>,
    /// Nodes that are down, and until when.
    down: BTreeMap<u64, Duration>,
    /// Links that are cut from one node to another, and until when.
    cuts: BTreeMap<(u64, u64), Duration>,
    pub(crate) crashes: u64,
}

impl Storm {
    pub(crate) fn new(dice: Dice) -> Self {
        Self { dice, next: BTreeMap::new(), down: BTreeMap::new(), cuts: BTreeMap::new(), crashes: 0 }
    }

    fn mean(plan: &Plan, fault: Fault) -> Option<u64> {
        match fault {
            Fault::Crash => plan.crash_every,
            Fault::PowerCut => plan.power_cut_every,
            Fault::Cut => plan.cut_every,
            Fault::Forget => None,
        }
    }

    /// Lets happen what is due.
    pub(crate) fn blow(&mut self, sim: &mut Sim<'_>, world: &World) {
        let now = sim.elapsed();
        for fault in [Fault::Crash, Fault::PowerCut, Fault::Cut] {
            let Some(mean) = Self::mean(&world.plan, fault) else { continue };
            let dice = &mut self.dice;
            let due = *self.next.entry(fault).or_insert_with(|| now + dice.ms(mean / 4, mean * 2));
            if now < due {
                continue;
            }
            self.next.remove(&fault);
            match fault {
                Fault::Crash => {
                    let any = self.dice.between(1, world.plan.hosts());
                    // Often the one whose end changes most.
                    let node = if self.dice.percent(40) { world.leader().unwrap_or(any) } else { any };
                    self.crash(sim, world, node);
                }
                Fault::PowerCut => (1..=world.plan.hosts()).for_each(|node| self.crash(sim, world, node)),
                Fault::Cut => self.cut(sim, world),
                Fault::Forget => {}
            }
        }
        self.forget(now, world);
        self.mend(sim, world, now);
    }

    fn forget(&mut self, now: Duration, world: &World) {
        let due = self.next.entry(Fault::Forget).or_default();
        if world.plan.bug == Some(Bug::RefusalForgotten) && *due <= now {
            *due = now + FORGET_EVERY;
            let nodes: Vec<_> = world.state().nodes.values().cloned().collect();
            nodes.iter().for_each(inventory_raft::simulation::Node::forget_refusals);
        }
    }

    fn crash(&mut self, sim: &mut Sim<'_>, world: &World, node: u64) {
        if self.down.contains_key(&node) {
            return;
        }
        sim.crash(host(node));
        world.ends(node, sim.elapsed());
        self.crashes += 1;
        self.down.insert(node, sim.elapsed() + self.dice.ms(10, world.plan.max_away));
    }

    /// Cuts links in one direction or both: one, or all of a node.
    fn cut(&mut self, sim: &mut Sim<'_>, world: &World) {
        let hosts = world.plan.hosts();
        let (node, other) = (self.dice.between(1, hosts), self.dice.between(1, hosts));
        let until = sim.elapsed() + self.dice.ms(30, 2_500);
        let others: Vec<u64> = if self.dice.percent(50) { (1..=hosts).collect() } else { vec![other] };
        let (out, back) = *self.dice.pick(&[(true, true), (true, false), (false, true)]);
        for other in others.into_iter().filter(|other| *other != node) {
            for (from, to) in [(node, other), (other, node)] {
                if (from == node && out) || (from == other && back) {
                    sim.partition_oneway(host(from), host(to));
                    self.cuts.insert((from, to), until);
                }
            }
        }
        world.note_at(sim.elapsed(), &format_args!("n{node} is cut off: out {out}, in {back}"));
    }

    fn mend(&mut self, sim: &mut Sim<'_>, world: &World, now: Duration) {
        let whole: Vec<_> = self.cuts.iter().filter(|(_, until)| **until <= now).map(|(link, _)| *link).collect();
        for (from, to) in whole {
            self.cuts.remove(&(from, to));
            sim.repair_oneway(host(from), host(to));
            world.note_at(now, &format_args!("n{from} reaches n{to} again"));
        }
        let back: Vec<u64> = self.down.iter().filter(|(_, until)| **until <= now).map(|(node, _)| *node).collect();
        for node in back {
            self.down.remove(&node);
            sim.bounce(host(node));
        }
    }

    /// No more faults: every link is whole, every node runs, messages are quick.
    pub(crate) fn calm(&mut self, sim: &mut Sim<'_>, world: &World) {
        self.cuts.values_mut().for_each(|until| *until = Duration::ZERO);
        self.down.values_mut().for_each(|until| *until = Duration::ZERO);
        self.mend(sim, world, sim.elapsed());
        sim.set_fail_rate(0.0);
        sim.set_max_message_latency(Duration::from_millis(10));
        for (from, to) in (1..=world.plan.hosts()).flat_map(|from| (1..from).map(move |to| (from, to))) {
            sim.repair(host(from), host(to));
        }
        world.state().is_calm = true;
        world.note_at(sim.elapsed(), &"it is calm");
    }
}
