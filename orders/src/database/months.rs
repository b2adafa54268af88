//! Keeps the partitions of the coming months there. An order whose month has none is recorded all the same, in the default partition, and moves
//! when its month is made.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Connections, DatabaseError, within};

/// Tables in partitions by month.
const BY_MONTH: [&str; 2] = ["shop_order", "order_item"];

/// This month and the next three: three months in which nobody has to have looked.
const MONTHS_AHEAD: i32 = 4;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// Between two attempts while PostgreSQL is away.
const RETRY: Duration = Duration::from_secs(60);

/// Makes what is missing; gives how many partitions were made. One instance does it, the others are told that nothing was to do.
pub(crate) async fn make_months(sql: &Connections, now: OffsetDateTime) -> Result<i32, DatabaseError> {
    let mut made = 0;
    for table in BY_MONTH {
        let months = sqlx::query_scalar!(r#"select make_months($1, $2, $3) as "made!""#, table, now, MONTHS_AHEAD);
        made += within(months.fetch_one(sql)).await?;
    }
    Ok(made)
}

/// Never ends.
pub(crate) async fn keep_months_ahead(sql: Connections) {
    loop {
        let pause = match make_months(&sql, OffsetDateTime::now_utc()).await {
            Ok(made) => {
                if made > 0 {
                    tracing::info!(made, "partitions were made for the coming months");
                }
                EVERY
            }
            Err(error) => {
                tracing::info!(%error, "partitions for the coming months are made later");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}
