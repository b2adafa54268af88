//! Drafts into the database: one SQL transaction for a bunch of products, with their change sequence and a notification.

use std::{collections::HashMap, path::Path};

use anyhow::Context;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::{draft::Draft, fold::Refused, report::Report};

/// Products of one SQL transaction: large enough to hide the sync, small enough to show progress.
const BUNCH: usize = 200;

pub(crate) struct Writer {
    pool: PgPool,
    dry_run: bool,
    waiting: Vec<Draft>,
}

impl Writer {
    pub(crate) fn new(pool: PgPool, dry_run: bool) -> Self {
        Self { pool, dry_run, waiting: Vec::with_capacity(BUNCH) }
    }

    pub(crate) async fn take(&mut self, draft: Draft, report: &mut Report) -> anyhow::Result<()> {
        self.waiting.push(draft);
        if self.waiting.len() == BUNCH { self.flush(report).await } else { Ok(()) }
    }

    pub(crate) async fn finish(mut self, report: &mut Report) -> anyhow::Result<()> {
        self.flush(report).await
    }

    async fn flush(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let drafts = std::mem::take(&mut self.waiting);
        let handles: Vec<&str> = drafts.iter().map(|draft| draft.handle.as_str()).collect();
        let mut transaction = self.pool.begin().await.context("PostgreSQL does not answer")?;
        let rows = sqlx::query("select handle, id, content_hash from product where handle = any($1)").bind(&handles);
        let mut known: HashMap<String, (Uuid, Vec<u8>)> = HashMap::new();
        for row in rows.fetch_all(&mut *transaction).await? {
            known.insert(row.try_get("handle")?, (row.try_get("id")?, row.try_get("content_hash")?));
        }
        let mut changed = Vec::new();
        for draft in &drafts {
            report.variants += draft.variants.len() as u64;
            let hash = draft.content_hash();
            let id = match known.get(&draft.handle) {
                Some((_, before)) if *before == hash => {
                    report.unchanged += 1;
                    continue;
                }
                Some((id, _)) => {
                    report.changed += 1;
                    *id
                }
                None => {
                    report.new += 1;
                    Uuid::now_v7()
                }
            };
            if !self.dry_run {
                let taken =
                    upsert(&mut transaction, id, draft, &hash).await.with_context(|| format!("writing {:?}", draft.handle))?;
                report.refuse(Path::new(&draft.handle), taken);
                changed.push(id);
            }
        }
        if !changed.is_empty() {
            publish(&mut transaction, &changed).await?;
        }
        transaction.commit().await.context("PostgreSQL does not answer")
    }
}

/// Writes a product as a whole. Gives back the variants whose SKU belongs to another product; those are left out.
async fn upsert(sql: &mut PgConnection, id: Uuid, draft: &Draft, hash: &[u8]) -> Result<Vec<Refused>, sqlx::Error> {
    sqlx::query(
        "insert into product (id, handle, title, description, vendor, category, tags, options, images, content_hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (handle) do update set title = $3, description = $4, vendor = $5, category = $6, tags = $7, options = $8,
             images = $9, content_hash = $10, updated_at = now()",
    )
    .bind(id)
    .bind(&draft.handle)
    .bind(&draft.title)
    .bind(&draft.description)
    .bind(&draft.vendor)
    .bind(&draft.category)
    .bind(&draft.tags)
    .bind(Json(&draft.options))
    .bind(Json(&draft.images))
    .bind(hash)
    .execute(&mut *sql)
    .await?;
    sqlx::query("delete from variant where product_id = $1").bind(id).execute(&mut *sql).await?;
    let mut taken = Vec::new();
    for (position, variant) in draft.variants.iter().enumerate() {
        let inserted = sqlx::query(
            "insert into variant (sku, product_id, position, title, options, price_amount, compare_at_amount, currency, image)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (sku) do nothing",
        )
        .bind(variant.sku.as_str())
        .bind(id)
        .bind(i32::try_from(position).unwrap_or(i32::MAX))
        .bind(&variant.title)
        .bind(Json(&variant.options))
        .bind(variant.price.amount())
        .bind(variant.compare_at_price.map(storefront_types::Money::amount))
        .bind(variant.price.currency().as_str())
        .bind(variant.image.as_ref().map(Json))
        .execute(&mut *sql)
        .await?;
        if inserted.rows_affected() == 0 {
            let reason = format!("{} belongs to another product", variant.sku);
            taken.push(Refused { line: 0, column: "Variant SKU", reason });
        }
    }
    Ok(taken)
}

/// Numbers the changes and wakes the readers when the SQL transaction commits. The lock on the counter's row keeps the order of
/// sequences the order of commits.
async fn publish(sql: &mut PgConnection, changed: &[Uuid]) -> Result<(), sqlx::Error> {
    let count = i64::try_from(changed.len()).unwrap_or(i64::MAX);
    let last: i64 =
        sqlx::query_scalar("update change_counter set last = last + $1 returning last").bind(count).fetch_one(&mut *sql).await?;
    sqlx::query(
        "insert into product_change (sequence, product_id)
         select $1 + position, id from unnest($2::uuid[]) with ordinality as changed (id, position)",
    )
    .bind(last - count)
    .bind(changed)
    .execute(&mut *sql)
    .await?;
    sqlx::query("select pg_notify('catalog', $1)").bind(last.to_string()).execute(&mut *sql).await?;
    Ok(())
}
