//! The queries of `orders`, as `.sqlx/` has them: current, and each with its index.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqlSafeStr};

use crate::database::{filled, migrated};

/// Enough that a scan is never the best way.
const ORDERS: u32 = 200_000;

/// A table with fewer rows may be read whole.
const SMALL: f32 = 1_000.0;

/// Queries that read a large table whole because that is what is asked, each with the reason.
const WHOLE: [(&str, &str); 0] = [];

pub(crate) struct Query {
    file: String,
    pub(crate) sql: String,
    pub(crate) described: Value,
}

pub(crate) fn queries() -> Vec<Query> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.sqlx");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let sql = json["query"].as_str().unwrap().to_owned();
        Query { file: path.file_name().unwrap().to_string_lossy().into_owned(), sql, described: json["describe"].clone() }
    };
    files.map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_is_what_the_migrations_make() {
    let mut sql = PgConnection::connect(&migrated("metadata").await).await.unwrap();
    let queries = queries();
    assert!(queries.len() >= 12, "{} queries", queries.len());
    for Query { file, sql: text, described } in queries {
        let now = (&mut sql).describe(AssertSqlSafe(text.clone()).into_sql_str()).await;
        let now = now.unwrap_or_else(|error| panic!("{file} does not fit the schema any more: {error}\n{text}"));
        let now = serde_json::to_value(&now).unwrap();
        assert_eq!(now, described, "{file} is not current; run `cargo deploy sqlx-prepare` and commit .sqlx/\n{text}");
    }
}

/// All source of `orders`.
fn source(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { source(&path) } else { std::fs::read_to_string(&path).unwrap() }).collect()
}

/// The compiler says when one is missing.
#[test]
fn no_metadata_is_kept_of_a_query_that_nobody_asks() {
    let source = source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for Query { file, sql, .. } in queries() {
        let is_asked = source.contains(&sql) || source.contains(&sql.replace('"', "\\\""));
        assert!(is_asked, "nobody asks {file} any more; run `cargo deploy sqlx-prepare` and commit .sqlx/\n{sql}");
    }
}

/// A value for a parameter of a type: of the middle of what is there.
fn value(kind: &str) -> String {
    let one = match kind.trim_end_matches("Array") {
        "Uuid" => "md5('order 1000')::uuid",
        "Date" => "current_date - 100",
        "Timestamptz" => "now() - interval '100 days'",
        "Int4" | "Int8" | "Int2" => "24",
        "Bytea" => "sha256('1')",
        "Json" | "Jsonb" => "'{}'::jsonb",
        "Bool" => "true",
        "Float8" => "60.0",
        "Bpchar" => "'EUR'",
        // Also where a text is read as JSON.
        _ => "'7'",
    };
    if kind.ends_with("Array") { format!("array[{one}]") } else { one.to_owned() }
}

/// Every node of a plan that reads a relation: which, and how.
fn reads(plan: &Value, found: &mut Vec<(String, String)>) {
    if let (Some(relation), Some(node)) = (plan["Relation Name"].as_str(), plan["Node Type"].as_str()) {
        found.push((relation.to_owned(), node.to_owned()));
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| reads(child, found));
}

/// After so many times PostgreSQL may keep one plan for all parameters, if it thinks it as good (`plan_cache_mode` in its manual).
const UNTIL_GENERIC: usize = 6;

/// What the first plan of a prepared query reads, and what the plan reads that it is left with in the end.
async fn plans(sql: &mut PgConnection, query: &Query) -> [Vec<(String, String)>; 2] {
    let kinds = query.described["parameters"]["Left"].as_array().unwrap();
    let values = kinds.iter().map(|kind| value(kind.as_str().unwrap())).collect::<Vec<_>>().join(", ");
    let arguments = if kinds.is_empty() { String::new() } else { format!("({values})") };
    sql.execute(AssertSqlSafe(format!("prepare asked as {}", query.sql))).await.unwrap();
    let mut plans = Vec::new();
    for _ in 0..=UNTIL_GENERIC {
        let explain = AssertSqlSafe(format!("explain (format json) execute asked{arguments}"));
        let explained = sqlx::query(explain).fetch_one(&mut *sql).await;
        let explained: Value = explained.unwrap_or_else(|error| panic!("{}: {error}", query.sql)).get(0);
        let mut found = Vec::new();
        reads(&explained[0]["Plan"], &mut found);
        plans.push(found);
    }
    sql.execute("deallocate asked").await.unwrap();
    [plans.swap_remove(0), plans.pop().unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_reads_a_large_table_whole_and_known_times_choose_the_month() {
    let mut sql = PgConnection::connect(&filled("plans", ORDERS).await).await.unwrap();
    let rows =
        sqlx::query("select relname::text, reltuples from pg_class where relkind = 'r'").fetch_all(&mut sql).await.unwrap();
    let rows: BTreeMap<String, f32> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let months = rows.iter().filter(|(name, rows)| name.starts_with("shop_order_2") && **rows > 0.0).count();
    assert!(months >= 13, "orders lie in {months} months");
    let (mut read, mut pruned) = (0, 0);
    for query in queries() {
        let whole = WHOLE.iter().any(|(part, _)| query.sql.contains(part));
        for found in plans(&mut sql, &query).await {
            for (relation, node) in &found {
                let large = rows.get(relation).is_none_or(|rows| *rows > SMALL);
                assert!(!large || node != "Seq Scan" || whole, "{relation} is read whole by\n{}", query.sql);
                read += usize::from(large);
            }
            if query.sql.contains("placed_at between") || query.sql.contains("placed_at =") {
                let part = |name: &str| name.starts_with("shop_order_") || name.starts_with("order_item_");
                let parts = found.iter().filter(|(relation, _)| part(relation)).count();
                assert!(parts <= 2, "{found:?} are read by\n{}", query.sql);
                pruned += 1;
            }
        }
    }
    assert!(read > 0 && pruned > 0, "{read} reads of large tables, {pruned} of known times");
}
