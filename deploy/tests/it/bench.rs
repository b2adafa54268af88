//! `cargo deploy bench` as somebody uses it who wants to know what the edge can do, with the programs that are built already.

use std::process::Command;

use serde_json::Value;

/// The figures that a bench prints for programs.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
    let output = command.arg("bench").args(arguments).args(["--unoptimised", "--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["figures"].as_array().unwrap().clone()
}

fn figure(figures: &[Value], name: &str) -> f64 {
    let found = figures.iter().find(|figure| figure["figure"].as_str().is_some_and(|text| text.starts_with(name)));
    found.unwrap_or_else(|| panic!("no {name:?} in {figures:?}"))["value"].as_f64().unwrap()
}

#[test]
fn ten_thousand_requests_for_one_cold_key_are_one_request_at_the_origin() {
    let figures = bench(&["edge-cold", "--rounds", "1"]);
    let at_once = figure(&figures, "requests at once");
    assert!((figure(&figures, "requests that reached the origin") - 1.0).abs() < f64::EPSILON, "{figures:?}");
    assert!((figure(&figures, "answered with 200") - at_once).abs() < f64::EPSILON, "{figures:?}");
}

#[test]
fn an_audit_of_equal_stores_finds_no_difference() {
    let figures = bench(&["audit", "--orders", "5000"]);
    assert!((figure(&figures, "orders in both stores") - 5_000.0).abs() < f64::EPSILON, "{figures:?}");
}

#[test]
fn a_bench_that_is_not_known_says_which_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_deploy")).args(["bench", "edge-warm"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("edge-cold") && said.contains("edge-hit-ratio"), "{said}");
}
