//! Accounts and sessions in PostgreSQL, sessions also in Redis.

use orders_api::User;
use redis::{AsyncCommands, aio::ConnectionManager};
use sqlx::PgPool;
use storefront_types::{Region, ShopperId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Email, PhoneNumber, SessionToken};
use crate::database::{DatabaseError, within};

/// A session ends 30 days after it began.
const SESSION_S: u64 = 30 * 24 * 60 * 60;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// Neither store can answer: try later.
    #[error("sessions cannot be read or written now: {0}")]
    Unavailable(String),
}

impl From<DatabaseError> for AccountError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Whose request this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) shopper: ShopperId,
}

#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) sql: PgPool,
    pub(crate) redis: ConnectionManager,
    pub(crate) home: Region,
}

/// A row of `shopper` that has an account.
struct UserRow {
    id: Uuid,
    email: String,
    phone_number: String,
    created_at: OffsetDateTime,
}

fn redis_key(token: &SessionToken) -> String {
    let hex: String = token.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("session:{hex}")
}

impl Accounts {
    /// Registers, or finds the account of a known address. The second part: whether the account is new.
    pub(crate) async fn register(
        &self,
        email: &Email,
        phone: &PhoneNumber,
        guest: Option<Session>,
    ) -> Result<(User, bool), AccountError> {
        // A guest who registers keeps the shopper's id and with it the cart.
        let id = guest.map_or_else(Uuid::now_v7, |guest| guest.shopper.uuid());
        let row = within(async {
            let made = sqlx::query_scalar!(
                "insert into shopper (id, email, phone_number) values ($1, $2, $3)
                 on conflict (id) do update set email = $2, phone_number = $3
                     where shopper.email is null and not exists (select from shopper other where other.email = $2)
                 returning id",
                id,
                email.as_str(),
                phone.as_str(),
            );
            let new = match made.fetch_optional(&self.sql).await {
                Ok(row) => row.is_some(),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => false,
                Err(error) => return Err(error),
            };
            let found = sqlx::query_as!(
                UserRow,
                r#"select id, email as "email!", phone_number as "phone_number!", created_at from shopper where email = $1"#,
                email.as_str(),
            );
            Ok((found.fetch_optional(&self.sql).await?, new))
        });
        let (Some(row), new) = row.await? else {
            // The guest's id belongs to another account already: begin a fresh shopper.
            return Box::pin(self.register(email, phone, None)).await;
        };
        let UserRow { id, email, phone_number, created_at } = row;
        Ok((User { id: ShopperId::new(id), email, phone_number, created_at }, new))
    }

    /// Begins a session for a shopper, or for a new guest.
    pub(crate) async fn begin(&self, shopper: Option<ShopperId>) -> Result<(SessionToken, Session), AccountError> {
        let token = SessionToken::fresh(&self.home).map_err(|error| AccountError::Unavailable(error.to_string()))?;
        let guest = shopper.is_none();
        let shopper = shopper.unwrap_or_else(|| ShopperId::new(Uuid::now_v7()));
        let expires_at = OffsetDateTime::now_utc() + time::Duration::seconds(i64::try_from(SESSION_S).unwrap_or(i64::MAX));
        let recorded = within(async {
            let mut transaction = self.sql.begin().await?;
            if guest {
                sqlx::query!("insert into shopper (id) values ($1)", shopper.uuid()).execute(&mut *transaction).await?;
            }
            let hash = token.hash();
            let insert = sqlx::query!(
                "insert into session (token_hash, shopper_id, expires_at) values ($1, $2, $3)",
                hash.as_slice(),
                shopper.uuid(),
                expires_at,
            );
            insert.execute(&mut *transaction).await?;
            transaction.commit().await
        });
        let recorded = recorded.await;
        let kept = self.keep(&token, shopper).await;
        // One of the two is enough: Redis carries guests over while PostgreSQL is away.
        match (recorded, kept) {
            (Err(error), Err(_)) => Err(error.into()),
            _ => Ok((token, Session { shopper })),
        }
    }

    async fn keep(&self, token: &SessionToken, shopper: ShopperId) -> Result<(), redis::RedisError> {
        self.redis.clone().set_ex(redis_key(token), shopper.to_string(), SESSION_S).await
    }

    /// The session of a token, or `None` for a token that nobody holds any more.
    pub(crate) async fn find(&self, token: &SessionToken) -> Result<Option<Session>, AccountError> {
        let known: Result<Option<String>, _> = self.redis.clone().get(redis_key(token)).await;
        if let Some(shopper) = known.ok().flatten().and_then(|text| text.parse().ok()) {
            return Ok(Some(Session { shopper }));
        }
        let hash = token.hash();
        let find =
            sqlx::query_scalar!("select shopper_id from session where token_hash = $1 and expires_at > now()", hash.as_slice(),);
        let found: Option<Uuid> = within(find.fetch_optional(&self.sql)).await?;
        let Some(shopper) = found.map(ShopperId::new) else { return Ok(None) };
        // Best effort: the next look-up is faster.
        let _ = self.keep(token, shopper).await;
        Ok(Some(Session { shopper }))
    }
}
