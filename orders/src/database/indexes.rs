//! Indexes that are built beside the work of others.
//!
//! `create index concurrently` runs in no transaction and waits for every older one, so it can be part of no migration; and when it is interrupted
//! it leaves an index that is never used. Owns: which, and that they are whole. Must not: touch a table that has partitions.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

struct Index {
    name: &'static str,
    table: &'static str,
    /// `create` what?
    kind: &'static str,
    columns: &'static str,
    /// Of which rows; empty: of all.
    only: &'static str,
}

/// As the migration that needs them has them for an empty database.
const INDEXES: [Index; 8] = [
    Index { name: "shop_order_id_placed_at", table: "shop_order", kind: "unique index", columns: "id, placed_at", only: "" },
    Index { name: "shop_order_by_status", table: "shop_order", kind: "index", columns: "status, placed_at, id", only: "" },
    Index {
        name: "order_item_id_placed_at",
        table: "order_item",
        kind: "unique index",
        columns: "order_id, position, placed_at",
        only: "",
    },
    Index { name: "outbox_in_order", table: "outbox", kind: "index", columns: "transaction_id, id", only: "" },
    Index { name: "cart_idle", table: "cart", kind: "index", columns: "touched_on, shopper_id", only: "" },
    Index { name: "session_end", table: "session", kind: "index", columns: "expires_at", only: "" },
    Index {
        name: "payment_due",
        table: "payment",
        kind: "index",
        columns: "provider, due_at",
        only: "where state = 'authorised'",
    },
    Index {
        name: "payment_by_state",
        table: "payment",
        kind: "index",
        columns: "state, created_at, order_id",
        only: "where state in ('authorised', 'failed')",
    },
];

/// Builds those that are not there, or not whole. A table that is gone or has partitions by now is past the migration that needs its index.
pub(super) async fn build(sql: &mut PgConnection) -> Result<(), sqlx::Error> {
    // It waits for transactions, and keeps nobody from writing meanwhile.
    sql.execute("set lock_timeout = 0").await?;
    for index in &INDEXES {
        let state = sqlx::query_scalar!(
            r#"select (select indisvalid from pg_index where indexrelid = to_regclass($2)) as "is_valid?"
               from pg_class where oid = to_regclass($1) and relkind = 'r'"#,
            index.table,
            index.name,
        );
        let Some(is_valid) = state.fetch_optional(&mut *sql).await? else { continue };
        let Index { name, table, kind, columns, only } = index;
        if is_valid == Some(false) {
            sql.execute(AssertSqlSafe(format!("drop index concurrently {name}"))).await?;
        }
        if is_valid != Some(true) {
            tracing::info!(table, name, "an index is built");
            sql.execute(AssertSqlSafe(format!("create {kind} concurrently {name} on {table} ({columns}) {only}"))).await?;
        }
    }
    sql.execute("reset lock_timeout").await.map(drop)
}
