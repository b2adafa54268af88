//! `chaos fuzz` as its users meet it: a schedule that fails is made smaller, and what is left fails again.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use chaos::{experiment::parse, fuzz::Drawn};

use super::drills::{Place, chaos, said, text};

/// Nobody can check out while the inventory is away, which is longer than this allows; a stopped Redis is nothing to shoppers.
const PLANTED: &str = r#"
[experiment]
name = "planted"
hypothesis = "checkouts never stop for longer than four seconds"
[load]
rate = 6
deals = 2
[steady]
window = "1s"
checkout_success = ">= 50%"
[random]
for = "9s"
every = "1s"
[[random.pick]]
fault = "process.kill"
target = "inventory:*"
for = "7s"
[[random.pick]]
fault = "process.pause"
target = "redis"
for = "1s"
[abort]
any = ["operator"]
[expect]
max_unavailable_s = 4
invariants = ["no_oversell", "no_lost_ack", "conservation", "exactly_once"]
"#;

/// Of a schedule that stops a Redis, and then kills the inventory for as short as is enough.
fn seed() -> u64 {
    let drawn = Drawn::from(parse("planted.toml", PLANTED, &BTreeMap::new()).unwrap(), (None, None), false).unwrap();
    let is_wanted = |seed: &u64| match &drawn.experiment(*seed).unwrap().steps[..] {
        [first, second] => {
            let enough = Duration::from_millis(4_200)..Duration::from_millis(5_000);
            first.pick.entry.name == "process.pause" && enough.contains(&second.pick.time)
        }
        _ => false,
    };
    (0..1_000).find(is_wanted).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_fails_becomes_the_one_step_that_is_to_blame_and_fails_again() {
    let place = Place::start().await;
    let base = place.folder.path().join("planted.toml");
    fs::write(&base, PLANTED).unwrap();
    let (base, out) = (base.to_str().unwrap(), place.folder.path().to_str().unwrap());
    let seed = seed().to_string();
    let bounds = ["--minutes", "1", "--runs", "1", "--tries", "1", "--shrink-runs", "2"];
    let mut fuzz = place.command(&["fuzz", "--seed", &seed, "--base", base, "--output", "json", "--out", out]);
    let found = fuzz.args(bounds).stderr(Stdio::piped()).output().unwrap();
    let report = said(&found);
    assert_eq!((found.status.code(), &report["verdict"]), (Some(4), &"FAIL".into()), "{}", text(&found));
    assert_eq!(report["runs"][0]["seed"].to_string(), seed);
    assert_eq!(report["found"]["check"], "recovered_in_time", "{report}");
    let drawn: Vec<&str> = report["runs"][0]["drawn"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(drawn, ["process.pause", "process.kill"]);
    let steps = report["found"]["steps"].as_array().unwrap();
    assert!(steps.len() == 1 && steps[0].as_str().unwrap().contains("process.kill at inventory:*"), "{}", text(&found));
    // The run that found it is there to be read; one that did not fail is not.
    assert!(Path::new(report["found"]["run"].as_str().unwrap()).join("report.html").exists());
    let folder = Path::new(report["folder"].as_str().unwrap());
    assert_eq!(fs::read_dir(folder.join("shrinking")).unwrap().count(), 1, "{}", text(&found));
    assert!(folder.join("fuzz.json").exists());

    let file = report["found"]["file"].as_str().unwrap();
    assert!(report["found"]["command"].as_str().unwrap().starts_with(&format!("chaos run {file} --topology ")));
    let again = place.command(&["run", file, "--output", "json", "--out", out]).output().unwrap();
    let run = said(&again);
    assert_eq!((again.status.code(), &run["verdict"]), (Some(4), &"FAIL".into()), "{}", text(&again));
    assert_eq!((run["run"]["faults"].as_array().unwrap().len(), run["run"]["seed"].to_string()), (1, seed), "{run}");
}

#[test]
fn what_cannot_be_drawn_from_or_run_is_told() {
    for (arguments, code, says) in [
        (&["--minutes", "0"][..], 2, "0 is not in 1..=1440"),
        (&["--tries", "11"], 2, "11 is not in 1..=10"),
        (&["--for", "0s"], 2, "longer than nothing"),
        (&["--base", "leader-loss"], 2, "has no [random]"),
        (&["--base", "nothing.toml"], 2, "nothing.toml cannot be read"),
        (&["--name", "nobody-here"], 1, "--topology three-regions starts one"),
    ] {
        let output = chaos().arg("fuzz").args(arguments).output().unwrap();
        assert!(output.status.code() == Some(code) && text(&output).contains(says), "{arguments:?}: {}", text(&output));
    }
}
