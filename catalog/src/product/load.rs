//! Products from the database into the read model.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use storefront_types::{Currency, Money, ProductId, Sku};
use uuid::Uuid;

use super::model::{Stored, StoredVariant};

/// All products, and the sequence of the newest change that they reflect.
pub(crate) async fn load_all(pool: &PgPool) -> Result<(Vec<Stored>, i64), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // One view of all three tables.
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *transaction).await?;
    let sequence = sqlx::query_scalar("select last from change_counter").fetch_one(&mut *transaction).await?;
    let mut variants: HashMap<Uuid, Vec<StoredVariant>> = HashMap::new();
    {
        let mut rows = sqlx::query("select * from variant order by product_id, position").fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await? {
            variants.entry(row.try_get("product_id")?).or_default().push(variant(&row)?);
        }
    }
    let mut products = Vec::new();
    {
        let mut rows = sqlx::query("select * from product order by position").fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await? {
            let id: Uuid = row.try_get("id")?;
            products.push(product(&row, variants.remove(&id).unwrap_or_default())?);
        }
    }
    transaction.commit().await?;
    Ok((products, sequence))
}

/// At most `limit` changes after `sequence`: which products, as they are now (`None`: gone), and the newest sequence.
pub(crate) async fn load_some(
    pool: &PgPool,
    sequence: i64,
    limit: i64,
) -> Result<(Vec<(ProductId, Option<Stored>)>, i64), sqlx::Error> {
    let changed = sqlx::query("select sequence, product_id from product_change where sequence > $1 order by sequence limit $2");
    let mut ids: Vec<Uuid> = Vec::new();
    let mut newest = sequence;
    for row in changed.bind(sequence).bind(limit).fetch_all(pool).await? {
        newest = row.try_get("sequence")?;
        ids.push(row.try_get("product_id")?);
    }
    ids.sort_unstable();
    ids.dedup();
    let mut variants: HashMap<Uuid, Vec<StoredVariant>> = HashMap::new();
    let rows = sqlx::query("select * from variant where product_id = any($1) order by product_id, position").bind(&ids);
    for row in rows.fetch_all(pool).await? {
        variants.entry(row.try_get("product_id")?).or_default().push(variant(&row)?);
    }
    let mut found: HashMap<Uuid, Stored> = HashMap::new();
    for row in sqlx::query("select * from product where id = any($1)").bind(&ids).fetch_all(pool).await? {
        let id: Uuid = row.try_get("id")?;
        found.insert(id, product(&row, variants.remove(&id).unwrap_or_default())?);
    }
    Ok((ids.into_iter().map(|id| (ProductId::new(id), found.remove(&id))).collect(), newest))
}

fn product(row: &PgRow, variants: Vec<StoredVariant>) -> Result<Stored, sqlx::Error> {
    let title: String = row.try_get("title")?;
    let vendor: Option<String> = row.try_get("vendor")?;
    let category: Option<String> = row.try_get("category")?;
    let tags: Vec<String> = row.try_get("tags")?;
    let names = [&title, vendor.as_deref().unwrap_or_default(), category.as_deref().unwrap_or_default()];
    let haystack = format!("{} {}", names.join(" "), tags.join(" ")).to_lowercase();
    Ok(Stored {
        id: ProductId::new(row.try_get("id")?),
        handle: row.try_get("handle")?,
        position: row.try_get("position")?,
        description: row.try_get("description")?,
        options: row.try_get::<Json<_>, _>("options")?.0,
        images: row.try_get::<Json<_>, _>("images")?.0,
        title,
        vendor,
        category,
        tags,
        variants,
        haystack,
    })
}

fn variant(row: &PgRow) -> Result<StoredVariant, sqlx::Error> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let currency: Currency = row.try_get::<String, _>("currency")?.parse().map_err(|error| unreadable(Box::new(error)))?;
    let compare_at: Option<i64> = row.try_get("compare_at_amount")?;
    Ok(StoredVariant {
        sku: Sku::parse(row.try_get("sku")?).map_err(|error| unreadable(Box::new(error)))?,
        title: row.try_get("title")?,
        options: row.try_get::<Json<_>, _>("options")?.0,
        price: Money::new(row.try_get("price_amount")?, currency),
        compare_at_price: compare_at.map(|amount| Money::new(amount, currency)),
        image: row.try_get::<Option<Json<_>>, _>("image")?.map(|image| image.0),
    })
}
