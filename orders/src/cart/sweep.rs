//! Ends what nobody came back for: guests' carts and empty ones, and sessions that are over.

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::database::{Connections, DatabaseError, within};

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
    pub(crate) async fn step(&mut self, sql: &Connections, now: OffsetDateTime) -> Result<u64, DatabaseError> {
        let before = (now - time::Duration::days(IDLE_DAYS)).date();
        let (from_day, from_id) = self.reached.unwrap_or((OffsetDateTime::UNIX_EPOCH.date(), Uuid::nil()));
        let (looked_at, ended) = within(async {
            let step = sqlx::query!(
                r#"with old as (
                       select shopper_id, touched_on, lines = '[]' and bought = '[]' as is_empty from cart
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

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use super::*;
    use crate::database;

    async fn fresh() -> Connections {
        let server = tokio::task::spawn_blocking(backing_servers::postgres_url).await.unwrap();
        let mut sql = PgConnection::connect(&server).await.unwrap();
        let name = format!("sweep_{}", Uuid::new_v4().simple());
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut sql).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        database::migrate(&url).await.unwrap();
        database::pool(&url).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn idle_carts_of_guests_empty_ones_and_sessions_that_are_over_end_a_step_at_a_time() {
        let sql = fresh().await;
        // Of 3,000 old carts every third is an account's, every fifth is empty; 10 are of yesterday.
        sqlx::raw_sql(
            "insert into shopper (id, email) select md5('shopper ' || n)::uuid, case when n % 3 = 0 then n || '@example.org' end
                 from generate_series(1, 3010) n;
             insert into cart (shopper_id, version, lines, touched_on)
                 select md5('shopper ' || n)::uuid, 1, case when n % 5 = 0 then '[]' else '[{\"sku\": \"a\", \"quantity\": 1}]'::jsonb end,
                     current_date - case when n > 3000 then 1 else 31 + n % 40 end
                 from generate_series(1, 3010) n;
             insert into session (token_hash, shopper_id, expires_at)
                 select sha256(n::text::bytea), md5('shopper ' || n)::uuid, now() + (n - 700.5) * interval '1 minute'
                 from generate_series(1, 1000) n;",
        )
        .execute(&sql)
        .await
        .unwrap();
        let (mut sweep, mut ended, now) = (Sweep::default(), Vec::new(), OffsetDateTime::now_utc());
        for _ in 0..20 {
            ended.push(sweep.step(&sql, now).await.unwrap());
        }
        assert!(ended.iter().all(|rows| *rows <= 2 * u64::try_from(STEP).unwrap()), "{ended:?}");
        let left: Vec<(i64, bool, bool)> = sqlx::query_as(
            "select count(*), touched_on < current_date - 30, email is not null and lines <> '[]'
             from cart join shopper on id = shopper_id group by 2, 3 order by 2, 3",
        )
        .fetch_all(&sql)
        .await
        .unwrap();
        let old: Vec<_> = left.iter().filter(|(_, old, _)| *old).collect();
        assert_eq!(old, [&(800, true, true)], "accounts keep what is in their carts, nobody else");
        assert_eq!(left.iter().filter(|(_, old, _)| !old).map(|(carts, ..)| carts).sum::<i64>(), 10);
        let sessions: i64 = sqlx::query_scalar("select count(*) from session").fetch_one(&sql).await.unwrap();
        assert_eq!(sessions, 300);
    }
}
