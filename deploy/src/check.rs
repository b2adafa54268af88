//! `cargo deploy test`: what CI runs.

use std::{env, process::Stdio, time::Instant};

use backing_servers::{Postgres, Redis, ensure_installed, free_port};

use crate::{cargo::cargo, plan::target_directory};

/// Password of the throw-away PostgreSQL.
const PASSWORD: &str = "test";

/// One step of the check.
struct Step {
    name: &'static str,
    arguments: Vec<&'static str>,
}

fn installed(tool: &str) -> bool {
    let mut command = cargo();
    command.args([tool, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn steps() -> Vec<Step> {
    let step = |name, arguments: &[&'static str]| Step { name, arguments: arguments.to_vec() };
    let tests = match installed("nextest") {
        true => step("tests", &["nextest", "run", "--no-fail-fast"]),
        false => step("tests", &["test", "--no-fail-fast"]),
    };
    let mut steps = vec![
        step("formatting", &["fmt", "--all", "--check"]),
        step("build", &["build", "--bins"]),
        tests,
        step("clippy", &["clippy", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    ];
    match installed("deny") {
        true => steps.push(step("cargo deny", &["deny", "check", "bans", "licenses", "sources"])),
        false => eprintln!("cargo-deny is not installed; licences and sources are not checked"),
    }
    steps
}

pub(crate) fn run() -> anyhow::Result<u8> {
    ensure_installed(|text| eprintln!("{text}"))?;
    let folder = env::temp_dir().join(format!("storefront-check-{}", std::process::id()));
    let mut postgres = Postgres::start(&folder.join("postgres"), free_port()?, PASSWORD, &folder.with_extension("postgres.log"))?;
    let mut redis = Redis::start(&folder.join("redis"), free_port()?, &folder.with_extension("redis.log"))?;
    let mut failed = Vec::new();
    for step in steps() {
        let began = Instant::now();
        eprintln!("── {}", step.name);
        let mut command = cargo();
        command.args(&step.arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        command.env("STOREFRONT_TEST_POSTGRES", postgres.url(PASSWORD, "postgres")).env("STOREFRONT_TEST_REDIS", redis.url());
        command.env("CARGO_TARGET_DIR", target_directory());
        // A hundred lines of an executor's frames hide the one that says what was wrong.
        command.env("RUST_BACKTRACE", "0");
        let passed = command.status()?.success();
        eprintln!("── {} {} after {} s", step.name, if passed { "passed" } else { "FAILED" }, began.elapsed().as_secs());
        if !passed {
            failed.push(step.name);
        }
    }
    for server in [&mut postgres.child, &mut redis.child] {
        server.kill()?;
        server.wait()?;
    }
    // Best effort: the folder lies among the temporary files.
    let _ = std::fs::remove_dir_all(&folder);
    match failed.is_empty() {
        true => eprintln!("everything passed"),
        false => eprintln!("failed: {}", failed.join(", ")),
    }
    Ok(u8::from(!failed.is_empty()))
}
