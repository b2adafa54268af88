//! `catalog import` and `catalog generate` as a merchant runs them.

use std::{fs, path::Path, process::Command};

use super::setup::{Database, report};

fn fixture() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/oddities.csv"))
}

#[tokio::test]
async fn importing_twice_changes_nothing_and_a_dry_run_writes_nothing() {
    let database = Database::create().await;
    let dry = report(&database.import(fixture(), &["--dry-run"]));
    assert_eq!((dry["new"].as_u64(), dry["refused"][0]["line"].as_u64()), (Some(3), Some(8)));
    let output = database.import(fixture(), &[]);
    assert_eq!(output.status.code(), Some(2), "a refused row must show in the exit code");
    let first = report(&output);
    assert_eq!((first["new"].as_u64(), first["variants"].as_u64()), (Some(3), Some(4)));
    assert_eq!(first["refused"][0]["column"], "Variant Price");
    let second = report(&database.import(fixture(), &[]));
    assert_eq!((second["new"].as_u64(), second["changed"].as_u64(), second["unchanged"].as_u64()), (Some(0), Some(0), Some(3)));
    database.drop().await;
}

#[tokio::test]
async fn real_exports_are_taken_whole_where_they_lie_beside() {
    for name in ["apparel.csv", "home-and-garden.csv"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
        if !file.exists() {
            continue;
        }
        let database = Database::create().await;
        let output = database.import(&file, &[]);
        let taken = report(&output);
        assert_eq!(output.status.code(), Some(0), "{taken}");
        assert!(taken["new"].as_u64().unwrap() >= 10 && taken["unknown_columns"].as_array().unwrap().is_empty(), "{taken}");
        database.drop().await;
    }
}

#[tokio::test]
async fn a_generated_catalog_is_the_same_for_a_seed_and_can_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let generate = |name: &str, seed: &str| {
        let file = folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalog"));
        command.args(["generate", "--products", "120", "--seed", seed, "--out"]).arg(&file);
        assert!(command.status().unwrap().success());
        file
    };
    let (first, again, other) = (generate("a.csv", "7"), generate("b.csv", "7"), generate("c.csv", "8"));
    assert_eq!(fs::read(&first).unwrap(), fs::read(&again).unwrap());
    assert_ne!(fs::read(&first).unwrap(), fs::read(&other).unwrap());
    let database = Database::create().await;
    let stock = folder.path().join("stock.jsonl");
    let output = database.import(&first, &["--stock-out", stock.to_str().unwrap()]);
    assert_eq!((output.status.code(), report(&output)["new"].as_u64()), (Some(0), Some(120)));
    assert!(fs::read_to_string(stock).unwrap().lines().count() >= 100);
    database.drop().await;
}

#[tokio::test]
async fn what_is_no_export_is_refused_as_a_whole() {
    let database = Database::create().await;
    let output = database.import(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no product export"));
    database.drop().await;
}
