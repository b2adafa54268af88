//! Wherever a checkout that is paid for stops, others bring it to an end, and the end is the whole order or nothing.

use proptest::prelude::*;

use super::{
    Answer,
    actor::Actor,
    world::{Card, FAULTS, Fault, World},
};

/// Steps of one execution; none comes near it.
const MAX_STEPS: usize = 200;

const CARDS: [Card; 4] = [Card::Good, Card::Declined, Card::Pending, Card::Other];

/// Goes through every sequence of choices, one execution each.
#[derive(Default)]
struct Choices {
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.taken.len() {
            self.taken.push((0, of));
        }
        let chosen = self.taken[self.at].0;
        self.at += 1;
        chosen
    }

    /// The next sequence, if there is one.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((last, of)) = self.taken.pop() {
            if last + 1 < of {
                self.taken.push((last + 1, of));
                return true;
            }
        }
        false
    }
}

/// What the shopper was told must be what came of it.
fn check(world: &World, told: &[Answer], history: &dyn Fn() -> String) {
    let complete = world.complete().unwrap_or_else(|wrong| panic!("{wrong}\n{}", history()));
    for answer in told {
        let fits = match answer {
            Answer::Known | Answer::Placed | Answer::Accepted => complete,
            Answer::Refused | Answer::Declined | Answer::GivenUp => !complete,
            // Everybody asks for the same here.
            Answer::KeyReused => false,
            _ => true,
        };
        assert!(fits, "told {answer:?}, complete: {complete}\n{}", history());
    }
}

/// The reconciler of another instance, until nothing is left to do; then every hold ends, and once more.
fn bring_to_rest(world: &mut World) {
    for _ in 0..4 {
        world.reconcile_recorded();
        let mut reconciler = Actor::reconciler(world);
        while !reconciler.is_done() {
            reconciler = reconciler.step(world, Fault::None, false);
        }
        world.let_holds_end();
    }
}

fn run_alone(card: Card, twice: bool, retries: usize, budget: usize, choices: &mut Choices) {
    let (mut world, mut told, mut history, mut left) = (World::new(card), Vec::new(), Vec::new(), budget);
    for run in 0..=retries {
        // The cart of a retry is the same, or was emptied by the order that it made.
        let mut actor = Actor::shopper(run > 0 && world.order);
        for _ in 0..MAX_STEPS {
            if actor.is_done() {
                break;
            }
            let fault = if left == 0 { Fault::None } else { FAULTS[choices.choose(FAULTS.len())] };
            left -= usize::from(fault != Fault::None);
            history.push(format!("{actor:?} {fault:?}"));
            actor = actor.step(&mut world, fault, twice);
        }
        assert!(actor.is_done(), "no end\n{}", history.join("\n"));
        told.extend(actor.answer());
    }
    bring_to_rest(&mut world);
    check(&world, &told, &|| history.join("\n"));
}

#[test]
fn every_step_may_be_the_last_and_the_reconciler_finishes() {
    for card in CARDS {
        for twice in [false, true] {
            let mut choices = Choices::default();
            loop {
                run_alone(card, twice, 0, 2, &mut choices);
                if !choices.advance() {
                    break;
                }
            }
        }
    }
}

#[test]
fn every_step_may_be_the_last_and_a_retry_finishes() {
    for card in CARDS {
        let mut choices = Choices::default();
        loop {
            run_alone(card, false, 1, 2, &mut choices);
            if !choices.advance() {
                break;
            }
        }
    }
}

/// A checkout, and whoever else works on the order: mostly another instance with the same key and a newer checkout that replaces both; and one
/// that reconciles, in any order of their steps.
fn run_together(card: Card, others: [Actor; 2], faults: usize, mut choose: impl FnMut(usize) -> usize) {
    let (mut world, mut told, mut history, mut left) = (World::new(card), Vec::new(), Vec::new(), faults);
    let [other, newer] = others;
    let mut actors = [Actor::shopper(false), other, Actor::Done, newer];
    for _ in 0..MAX_STEPS {
        if actors.iter().all(Actor::is_done) {
            break;
        }
        if actors[2].is_done() && left > 0 {
            actors[2] = Actor::reconciler(&world);
        }
        let open: Vec<usize> = (0..actors.len()).filter(|at| !actors[*at].is_done()).collect();
        let Some(at) = open.get(if open.is_empty() { 0 } else { choose(open.len()) }) else { break };
        let fault = if left == 0 { Fault::None } else { FAULTS[choose(FAULTS.len())] };
        left -= usize::from(fault != Fault::None);
        history.push(format!("{at}: {:?} {fault:?}", actors[*at]));
        actors[*at] = actors[*at].clone().step(&mut world, fault, false);
        // Whoever else moves before these sees no difference.
        while actors[*at].is_alone() {
            actors[*at] = actors[*at].clone().step(&mut world, Fault::None, false);
        }
    }
    told.extend(actors.iter().take(2).filter_map(Actor::answer));
    bring_to_rest(&mut world);
    check(&world, &told, &|| history.join("\n"));
}

#[test]
fn two_instances_with_the_same_key_make_one_order_in_every_order_of_their_steps() {
    for card in [Card::Good, Card::Declined] {
        let mut choices = Choices::default();
        loop {
            run_together(card, [Actor::shopper(false), Actor::Done], 0, |of| choices.choose(of));
            if !choices.advance() {
                break;
            }
        }
    }
}

#[test]
fn a_newer_checkout_ends_it_or_comes_too_late_in_every_order_of_their_steps() {
    for card in CARDS {
        let mut choices = Choices::default();
        loop {
            run_together(card, [Actor::Done, Actor::End(0)], 0, |of| choices.choose(of));
            if !choices.advance() {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn instances_crash_and_holds_end_in_any_order(
        card in prop::sample::select(CARDS.to_vec()),
        is_replaced in any::<bool>(),
        draws in prop::collection::vec(any::<prop::sample::Index>(), MAX_STEPS),
    ) {
        let mut draws = draws.into_iter().cycle();
        let newer = if is_replaced { Actor::End(0) } else { Actor::Done };
        run_together(card, [Actor::shopper(false), newer], 6, |of| {
            let index = draws.next().unwrap();
            // Every other draw of a fault is none, so that runs go far.
            if of == FAULTS.len() && index.index(2) == 0 { 0 } else { index.index(of) }
        });
    }
}
