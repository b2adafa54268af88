//! Seeds: the same again, nothing found in the product, and each planted fault found.

use crate::program::{Ran, run};

/// Raft itself notices that something cannot be, and stops.
const OWN_CHECKS: &str = "openraft";

/// Seeds that a planted fault may take to be found.
const ENOUGH: &str = "--seeds=40";

#[test]
fn a_seed_replays_exactly() {
    let mut traces = Vec::new();
    for seed in ["--one=3", "--one=5"] {
        let [once, again] = [run(&[seed, "--trace"]), run(&[seed, "--trace"])];
        assert!(once.succeeded && once.errors.lines().count() > 100, "{seed}: {}", once.errors);
        let first_other = once.errors.lines().zip(again.errors.lines()).find(|(one, other)| one != other);
        assert_eq!(first_other, None, "{seed} went another way");
        assert_eq!(once.out, again.out, "{seed}");
        traces.push(trace(&once));
    }
    assert_ne!(traces[0], traces[1], "two seeds are the same run");
}

fn trace(ran: &Ran) -> String {
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    report["trace"].as_str().unwrap().to_owned()
}

#[test]
fn a_minute_of_seeds_finds_nothing() {
    let ran = run(&["--seeds=1000000", "--seconds=60"]);
    assert!(ran.succeeded, "{}{}", ran.out, ran.errors);
    assert!(ran.out.contains("nothing was found"), "{}", ran.out);
    let seeds: u64 = ran.out.split_whitespace().next().unwrap().parse().unwrap();
    assert!(seeds >= 5 && !ran.out.contains(" 0 operations"), "{}", ran.out);
    println!("{}", ran.out);
}

/// A planted fault is found, and the command that is printed finds the same again.
fn is_found(arguments: &[&str], by: &[&str]) {
    let found = run(arguments);
    assert!(!found.succeeded, "{arguments:?} found nothing: {}", found.out);
    assert!(by.iter().any(|by| found.out.contains(by)), "{arguments:?} was found by something else: {}", found.out);
    let command = found.out.lines().find(|line| line.contains("cargo run")).unwrap();
    let replayed: Vec<&str> =
        command.split(" -- ").nth(1).unwrap().split_whitespace().filter(|word| *word != "--trace").collect();
    let again = run(&replayed);
    let told = |ran: &Ran| ran.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(told(&found), told(&again), "{command} found something else");
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    let by = [
        "was committed before",
        "a committed entry changed",
        "with another content",
        "a client was told",
        "leaders went back",
        "and comes back with",
        OWN_CHECKS,
    ];
    is_found(&[ENOUGH, "--bug=ack-before-sync"], &by);
}

#[test]
fn a_forgotten_refusal_is_found_in_the_nodes_and_in_what_clients_are_told() {
    is_found(&[ENOUGH, "--bug=refusal-forgotten"], &["has another ledger than the log says"]);
    is_found(&[ENOUGH, "--bug=refusal-forgotten", "--outside"], &["was answered twice"]);
}

#[test]
fn a_stale_read_is_found_in_what_clients_are_told() {
    is_found(&[ENOUGH, "--bug=stale-read", "--outside"], &["is not linearizable"]);
}

#[test]
fn a_vote_that_is_not_persisted_is_found() {
    is_found(&[ENOUGH, "--bug=vote-not-persisted"], &["and comes back with"]);
}
