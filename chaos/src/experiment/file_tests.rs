//! Files that are experiments, and files that are none: what is said of those, and where.

use super::*;
use crate::experiment::{AbortWhen as When, explain_experiment, schema};

const WHOLE: &str = r#"
[experiment]
name = "region-cut-leader"
hypothesis = "checkouts resume in under 2 s, nothing acknowledged is lost"
seed = 7
[parameters]
whom = "leader"
[steady]
window = "30s"
checkout_success = ">= 99.9%"
p99_ms = "<= 150"
replicas_level = true
[[step]]
at = "1s"
fault = "link.latency"
target = "region-of({whom})"
for = "60s"
set = { latency_ms = 80 }
proof = "link_late"
[[step]]
at = "0s"
fault = "leader.transfer"
target = "follower"
[abort]
any = ["invariant.violated", "error_rate > 50% for 30s", "operator"]
lease = "5s"
[expect]
rto_s = 2
rpo_ops = 0
max_unavailable_s = 2.5
invariants = ["no_oversell", "no_lost_ack", "conservation", "exactly_once", "linearizable", "stale <= 2s"]
"#;

fn read_it(text: &str) -> Result<Experiment, Wrong> {
    parse("x.toml", text, &BTreeMap::new())
}

#[test]
fn a_file_means_what_it_says() {
    let found = read_it(WHOLE).unwrap();
    assert_eq!((found.name.as_str(), found.seed, found.topology.as_str()), ("region-cut-leader", 7, "three-regions"));
    assert_eq!((found.steady.checkout_success_ppm, found.steady.p99_ms), (Some(999_000), Some(150)));
    let steps: Vec<(usize, &str, String)> =
        found.steps.iter().map(|step| (step.line, step.pick.entry.name, step.pick.target.to_string())).collect();
    assert_eq!(steps, [(20, "leader.transfer", "follower".to_owned()), (13, "link.latency", "region-of(leader)".to_owned())]);
    assert_eq!((found.expect.rto_ms, found.expect.max_unavailable_ms), (Some(2_000), Some(2_500)));
    assert!(found.abort.any.contains(&When::ErrorRate { above_ppm: 500_000, time: Duration::from_secs(30) }));
    assert_eq!(found.length(), Duration::from_secs(61));
    let given = BTreeMap::from([("whom".to_owned(), "redis:eu".to_owned())]);
    assert_eq!(parse("x.toml", WHOLE, &given).unwrap().steps[1].pick.target.to_string(), "region-of(redis:eu)");
    let told = explain_experiment(&found);
    assert!(told.contains("At 1s: link.latency at region-of(leader) for 1m") && told.contains("over 50 % of requests"), "{told}");
}

#[test]
fn what_is_wrong_is_told_by_line_and_with_what_is_allowed() {
    let cases = [
        ("fault = \"link.latency\"", "fault = \"link.latancy\"", ":15:9: ", "did you mean \"link.latency\"?"),
        ("fault = \"link.latency\"", "fault = \"process.kill\"", ":13:1: ", "takes no \"latency_ms\"; it takes none"),
        ("proof = \"link_late\"", "proof = \"process_gone\"", ":19:9: ", "its proof is \"link_late\""),
        ("for = \"60s\"\n", "", ":13:1: ", "says `for` how long"),
        ("for = \"60s\"", "for = \"60\"", ":17:7: ", "500ms, 10s, 5m or 1h"),
        ("at = \"1s\"\n", "", ":13:1: ", "says `at` which time"),
        ("target = \"follower\"", "target = \"follower\"\nfor = \"1s\"", ":24:7: ", "takes what it takes"),
        ("target = \"follower\"", "target = \"edge:\"", ":23:10: ", "is no target; say leader"),
        ("target = \"follower\"", "target = \"{who}\"", ":23:10: ", "[parameters] has whom"),
        ("latency_ms = 80", "latency_ms = 0", ":13:1: ", "latency_ms is 1 to 60000"),
        ("p99_ms = \"<= 150\"", "p99_ms = 150", ":11:10: ", "expected a string"),
        ("checkout_success", "checkout_sucess", ":10:1: ", "did you mean \"checkout_success\"?"),
        ("[steady]", "[stedy]", ":8:2: ", "did you mean \"steady\"?"),
        ("\"linearizable\"", "\"linearisable\"", "", "did you mean \"linearizable\"?"),
        ("\"operator\"", "\"operators\"", ":25:", "allowed are invariant.violated"),
        ("lease = \"5s\"", "lease = \"5m\"", ":26:9: ", "a lease is up to 1m"),
        ("rto_s = 2", "rto_s = -2", ":28:9: ", "seconds are 0 to 43200"),
        ("seed = 7", "seed = 7\ntopology = \"h\"", ":6:12: ", "three-regions, one-region, ha"),
        ("seed = 7", "seed = 7 7", ":5:8: ", "expected"),
        ("name = \"region-cut-leader\"", "name = \"a b\"", ":3:8: ", "letters, digits"),
    ];
    for (from, to, place, what) in cases {
        assert!(WHOLE.contains(from), "{from}");
        let told = read_it(&WHOLE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(told.starts_with("x.toml:") && told.contains(place) && told.contains(what), "{to}: {told}");
    }
    let unknown = parse("x.toml", WHOLE, &BTreeMap::from([("region".to_owned(), "eu".to_owned())])).unwrap_err().to_string();
    assert!(unknown.contains("no parameter \"region\"") && unknown.contains("it takes whom"), "{unknown}");
    let nothing = WHOLE.split("[[step]]").next().unwrap().to_owned() + "[expect]\ninvariants = []\n";
    assert!(read_it(&nothing).unwrap_err().to_string().contains("nothing is broken"));
}

#[test]
fn drawn_faults_are_a_seeds_and_can_be_written_down_as_steps() {
    let random = "[random]\nfor = \"5m\"\nevery = \"20s\"\n[[random.pick]]\nfault = \"process.kill\"\ntarget = \"leader\"\nfor = \"5s\"\n\
        [[random.pick]]\nfault = \"clock.skew\"\ntarget = \"random(follower)\"\nfor = \"5s\"\nset = { offset_ms = -300 }\n";
    let text = WHOLE.split("[[step]]").next().unwrap().to_owned() + random + "[expect]\ninvariants = [\"linearizable\"]\n";
    let found = read_it(&text).unwrap();
    let steps = found.schedule();
    assert!(steps.len() >= 13 && steps.windows(2).all(|pair| pair[0].at < pair[1].at), "{}", steps.len());
    assert!(steps.iter().all(|step| step.at + step.pick.time <= Duration::from_secs(300)));
    assert_eq!(steps, found.schedule(), "a seed draws one schedule");
    assert_ne!(steps, Experiment { seed: 8, ..found.clone() }.schedule());
    let again = read_it(&found.with_steps(&steps).unwrap()).unwrap();
    let picks = |steps: &[Step]| steps.iter().map(|step| (step.at, step.pick.clone())).collect::<Vec<_>>();
    assert_eq!((picks(&again.schedule()), again.seed), (picks(&steps), found.seed));
    let busier = Experiment { seed: 9, ..found.clone() }.at_rate(60.0).unwrap();
    assert_eq!(
        (busier.load.rate, busier.seed, busier.random, busier.expect),
        (60.0, 9, found.random.clone(), found.expect.clone())
    );
    assert!(found.at_rate(1e9).unwrap_err().to_string().starts_with("--rate:"));
}

#[test]
fn what_is_written_down_has_the_seeds_of_its_steps_its_load_and_the_parameters_that_it_still_needs() {
    let text = WHOLE.replacen("window = \"30s\"", "window = \"{window}\"", 1);
    let text = text.replacen("[parameters]", "[parameters]\nwindow = \"3s\"", 1);
    let found = read_it(&text).unwrap();
    let mut steps = found.schedule();
    steps[0].seed = Some(41);
    let load = Load { rate: 2.5, deals: 1.0, node_reads: 0.5, sale: None };
    let other = Experiment { load: load.clone(), name: "smaller".to_owned(), seed: 9, ..found };
    let written = other.with_steps(&steps).unwrap();
    assert!(!written.contains("whom"), "{written}");
    let again = read_it(&written).unwrap();
    assert_eq!((again.load.clone(), again.name.as_str(), again.seed), (load, "smaller", 9));
    assert_eq!(again.steady.window, Duration::from_secs(3));
    assert_eq!((again.steps[0].seed, again.steps[1].seed), (Some(41), None));
    assert_eq!((again.steps[0].draws_by(&again, 0), again.steps[1].draws_by(&again, 1)), (41, 10));
}

/// `UPDATE_SCHEMA=1` writes it.
#[test]
fn the_published_schema_is_the_one_that_files_are_read_by() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/experiment.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&schema()).unwrap() + "\n").unwrap();
    }
    // As values: the order of keys depends on what else is built.
    let published: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(published == schema(), "run the test with UPDATE_SCHEMA=1 and commit the file");
}

#[test]
fn the_schema_takes_what_is_read_and_refuses_what_is_not() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let value = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&value(WHOLE)).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for (from, to) in [
        ("link.latency", "link.latancy"),
        ("proof = \"link_late\"", "proof = \"process_gone\""),
        ("for = \"60s\"\n", ""),
        ("for = \"60s\"", "for = \"60\""),
        ("at = \"1s\"\n", ""),
        ("latency_ms = 80", "latency_ms = 0"),
        ("latency_ms = 80", "delay_ms = 80"),
        ("target = \"follower\"", "target = \"follower\"\nfor = \"1s\""),
        ("checkout_success", "checkout_sucess"),
        ("\"linearizable\"", "\"linearisable\""),
        ("\"operator\"", "\"operators\""),
    ] {
        let text = WHOLE.replacen(from, to, 1);
        assert!(read_it(&text).is_err() && !schema.is_valid(&value(&text)), "{to}: one of the two takes it");
    }
}

#[test]
fn what_takes_longer_than_a_load_is_refused_where_it_says_so() {
    let refused = |from: &str, to: &str| read_it(&WHOLE.replacen(from, to, 1)).unwrap_err().to_string();
    let step = refused("for = \"60s\"", "for = \"3h\"");
    assert!(step.starts_with("x.toml:13:1: a run is up to 3h; with the gate and the recovery this may take "), "{step}");
    let window = refused("window = \"30s\"", "window = \"1h\"");
    assert!(window.starts_with("x.toml:9:10: a run is up to 3h"), "{window}");
    let load = "[load]\nrate = 0.5\nsale = { units = 5, shoppers = 10000 }\n[steady]";
    let sale = refused("[steady]", load);
    assert!(sale.starts_with("x.toml:10:8: a run is up to 3h"), "{sale}");
    assert!(read_it(&WHOLE.replacen("[steady]", &load.replace("0.5", "5"), 1)).is_ok());
    let drawn =
        "[random]\nfor = \"179m\"\nevery = \"5m\"\n[[random.pick]]\nfault = \"leader.transfer\"\ntarget = \"follower\"\n[abort]";
    let random = refused("[abort]", drawn);
    assert!(random.contains(": a run is up to 3h"), "{random}");
}
