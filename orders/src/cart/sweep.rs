//! Ends what nobody came back for: guests' carts and empty ones, and sessions that are over.

use sqlx::PgPool;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::database::{DatabaseError, within};

/// A guest's cart lives so long after its last change: as long as a guest's session.
const IDLE_DAYS: i64 = 30;

/// Rows of one step, so that no step holds many locks for long.
const STEP: i64 = 500;

/// Goes through what is old, a step at a time, and then begins again. Accounts' carts stay.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The last cart that was looked at.
    reached: Option<(Date, Uuid)>,
}

impl Sweep {
    /// One step. Gives how many rows ended.
    pub(crate) async fn step(&mut self, sql: &PgPool, now: OffsetDateTime) -> Result<u64, DatabaseError> {
        let before = (now - time::Duration::days(IDLE_DAYS)).date();
        let (from_day, from_id) = self.reached.unwrap_or((OffsetDateTime::UNIX_EPOCH.date(), Uuid::nil()));
        let (looked_at, ended) = within(async {
            let step = sqlx::query!(
                r#"with old as (
                       select shopper_id, touched_on, lines = '[]' as is_empty from cart
                       where touched_on < $1 and (touched_on, shopper_id) > ($2, $3)
                       order by touched_on, shopper_id limit $4
                   ), ended as (
                       delete from cart using old
                       where cart.shopper_id = old.shopper_id and cart.touched_on = old.touched_on
                           and (old.is_empty or not exists
                               (select from shopper where shopper.id = old.shopper_id and shopper.email is not null))
                       returning cart.shopper_id
                   )
                   select (select count(*) from ended) as "ended!", last.touched_on, last.shopper_id
                   from (select touched_on, shopper_id from old order by touched_on desc, shopper_id desc limit 1) last"#,
                before,
                from_day,
                from_id,
                STEP,
            );
            let step = step.fetch_optional(sql).await?;
            let sessions = sqlx::query!(
                "delete from session where token_hash in (select token_hash from session where expires_at < $1 order by expires_at limit $2)",
                now,
                STEP,
            );
            let sessions = sessions.execute(sql).await?.rows_affected();
            let ended = step.as_ref().map_or(0, |step| u64::try_from(step.ended).unwrap_or_default());
            Ok((step.map(|step| (step.touched_on, step.shopper_id)), ended + sessions))
        })
        .await?;
        self.reached = looked_at;
        Ok(ended)
    }
}
