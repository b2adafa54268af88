//! Wrong arguments are named.

use crate::program::run;

#[test]
fn what_cannot_be_simulated_is_refused_by_name() {
    for (argument, named) in [
        ("--nodes=4", "4 first members are not simulated; use 3 or 5"),
        ("--bug=forgetful", "no such bug; there are ack-before-sync, refusal-forgotten, stale-read, vote-not-persisted"),
        ("--seeds=0", "0 is not in 1..=1000000000"),
        ("--first=-1", "invalid digit found in string"),
    ] {
        let ran = run(&[argument]);
        assert!(!ran.succeeded, "{argument} was taken");
        assert!(ran.errors.contains(named), "{argument}: {}", ran.errors);
    }
}
