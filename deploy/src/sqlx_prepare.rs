//! `cargo deploy sqlx-prepare`: makes `.sqlx/` anew, which the queries of `orders` are checked against.
//!
//! A private PostgreSQL gets the migrations; the compiler then asks it about each query and writes down what it heard.

use std::{
    fs::{self, File},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, ensure};
use backing_servers::{Postgres, ensure_installed, free_port};
use sqlx::{PgPool, migrate::Migrator};

use crate::{cargo::cargo, plan::target_directory};

/// Password of the throw-away instance.
const PASSWORD: &str = "prepare";

pub(crate) fn run() -> anyhow::Result<u8> {
    ensure_installed(|text| eprintln!("{text}"))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::temp_dir().join(format!("storefront-sqlx-{}", std::process::id()));
    let mut postgres = Postgres::start(&folder.join("postgres"), free_port()?, PASSWORD, &folder.with_extension("log"))?;
    let prepared = prepare(&root, &postgres.url(PASSWORD, "postgres"));
    postgres.child.kill()?;
    postgres.child.wait()?;
    // Best effort: the folder lies among the temporary files.
    let _ = fs::remove_dir_all(&folder);
    println!(".sqlx/ has {} queries; commit it with the change that made it", prepared?);
    Ok(0)
}

fn prepare(root: &Path, url: &str) -> anyhow::Result<usize> {
    let orders = root.join("orders");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sql = PgPool::connect(url).await?;
        Migrator::new(orders.join("migrations")).await?.run(&sql).await?;
        sql.close().await;
        anyhow::Ok(())
    })?;
    let heard = target_directory().join("sqlx-prepare");
    // What is left of an interrupted run would pass for a query that is still asked.
    let _ = fs::remove_dir_all(&heard);
    fs::create_dir_all(&heard)?;
    // The compiler must look at every query, also of a crate that it has compiled before.
    File::options().append(true).open(orders.join("src/lib.rs"))?.set_modified(SystemTime::now())?;
    let mut cargo = cargo();
    cargo.args(["check", "--package", "orders"]).current_dir(root);
    cargo.env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &heard).env("DATABASE_URL", url);
    ensure!(
        cargo.status().context("cargo cannot be run")?.success(),
        "a query does not fit the schema; .sqlx/ is left as it was"
    );
    let kept = root.join(".sqlx");
    fs::create_dir_all(&kept)?;
    for old in fs::read_dir(&kept)? {
        fs::remove_file(old?.path())?;
    }
    let mut count = 0;
    for new in fs::read_dir(&heard)? {
        let new = new?;
        fs::copy(new.path(), kept.join(new.file_name()))?;
        count += 1;
    }
    Ok(count)
}
