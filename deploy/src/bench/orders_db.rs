//! `orders-db`: a page of a shopper's history among a million orders, as PostgreSQL itself takes for it.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use backing_servers::{Postgres, ensure_installed, free_port};
use hdrhistogram::Histogram;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, migrate::Migrator};

use super::{Bench, figures::Figure};
use crate::plan::target_directory;

const PASSWORD: &str = "bench";

/// Shoppers whose history is read; each has ten orders over fourteen months.
const PAGES: u64 = 2_000;

/// The longest that PostgreSQL may take for a page.
const PAGE_MS: f64 = 5.0;

const NAME: &str = "orders/history";

/// How the query of the history ends, which tells it from the others in `.sqlx/`.
const MARK: &str = "order by placed_at desc, id desc limit";

pub(super) fn run(runtime: &tokio::runtime::Runtime, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    ensure_installed(|text| eprintln!("{text}"))?;
    let folder = target_directory().join("deploy").join(format!("bench-orders-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let server = std::env::temp_dir().join(format!("storefront-bench-orders-{}", std::process::id()));
    let mut postgres = Postgres::start(&server, free_port()?, PASSWORD, &folder.join("postgres.log"))?;
    let measured = runtime.block_on(measure(&postgres.url(PASSWORD, "postgres"), bench));
    postgres.child.kill()?;
    postgres.child.wait()?;
    std::fs::remove_dir_all(&server)?;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(url: &str, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let count = bench.args.orders;
    ensure!(count >= 10 * PAGES, "{PAGES} shoppers with ten orders each are read: --orders {} or more", 10 * PAGES);
    let orders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../orders");
    let mut sql = PgConnection::connect(url).await?;
    Migrator::new(orders.join("migrations")).await?.run(&mut sql).await?;
    bench.progress.set_message(format!("{NAME}: {count} orders are made"));
    let fill = std::fs::read_to_string(orders.join("tests/fill.sql"))?.replace("{orders}", &count.to_string());
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut sql).await?;
    sql.execute("checkpoint").await?;
    sql.execute(AssertSqlSafe(format!("prepare page as {}", history(&orders.join("../.sqlx"))?))).await?;
    let mut took_us = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    bench.progress.set_message(format!("{NAME}: {PAGES} pages"));
    for nth in 1..=PAGES {
        let shopper = nth * (count / 10 / PAGES);
        let ask = format!(
            "explain (analyze, timing off, format json) execute page(md5('shopper ' || {shopper})::uuid, now(), 'ffffffff-ffff-ffff-ffff-ffffffffffff', 25)"
        );
        let told: serde_json::Value = sqlx::query(AssertSqlSafe(ask)).fetch_one(&mut sql).await?.get(0);
        let ms = |what: &str| told[0][what].as_f64().unwrap_or_default();
        ensure!(told[0]["Plan"]["Actual Rows"].as_f64().unwrap_or_default() >= 1.0, "shopper {shopper} has no orders");
        let took = Duration::from_secs_f64((ms("Planning Time") + ms("Execution Time")) / 1e3);
        took_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    let at = |quantile| took_us.value_at_quantile(quantile) as f64 / 1e3;
    bench.figures.push(Figure::new(NAME, "orders in the database", count as f64, "orders"));
    bench.figures.push(Figure::new(NAME, "a page of one shopper's history in PostgreSQL, p50", at(0.5), "ms"));
    bench.figures.push(Figure::new(NAME, "p99", at(0.99), "ms").at_most(PAGE_MS));
    Ok(())
}

/// The query as `orders` asks it.
fn history(folder: &Path) -> anyhow::Result<String> {
    for file in std::fs::read_dir(folder)? {
        let described: serde_json::Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
        if let Some(text) = described["query"].as_str().filter(|text| text.contains(MARK)) {
            return Ok(text.to_owned());
        }
    }
    None.context("no query of the history in .sqlx/")
}
