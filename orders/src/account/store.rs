//! Accounts, and who a request's shopper is.

use orders_api::User;
use redis::aio::ConnectionManager;
use storefront_types::{Region, ShopperId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Email, PhoneNumber, SessionToken, sessions::Sessions};
use crate::database::{Connections, DatabaseError, within};

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
    sql: Connections,
    sessions: Sessions,
    pub(crate) home: Region,
}

/// A row of `shopper` that has an account.
struct UserRow {
    id: Uuid,
    email: String,
    phone_number: String,
    created_at: OffsetDateTime,
}

impl Accounts {
    /// Region that keeps the carts of sessions that begin here.
    pub(crate) fn home(&self) -> &Region {
        &self.home
    }

    pub(crate) fn new(sql: Connections, redis: ConnectionManager, home: Region) -> Self {
        Self { sessions: Sessions::new(sql.clone(), redis), sql, home }
    }

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

    /// Whether a shopper has no account. One whose beginning is not recorded yet is a guest.
    pub(crate) async fn is_guest(&self, shopper: ShopperId) -> Result<bool, AccountError> {
        let registered = sqlx::query_scalar!(
            r#"select exists (select from shopper where id = $1 and email is not null) as "registered!""#,
            shopper.uuid(),
        );
        Ok(!within(registered.fetch_one(&self.sql)).await?)
    }

    /// Begins a session for a shopper, or for a new guest.
    pub(crate) async fn begin(&self, shopper: Option<ShopperId>) -> Result<(SessionToken, Session), AccountError> {
        let token = SessionToken::fresh(&self.home).map_err(|error| AccountError::Unavailable(error.to_string()))?;
        let shopper = shopper.unwrap_or_else(|| ShopperId::new(Uuid::now_v7()));
        self.sessions.begin(token.hash(), shopper).await?;
        Ok((token, Session { shopper }))
    }

    /// The session of a token, or `None` for a token that nobody holds any more.
    pub(crate) async fn find(&self, token: &SessionToken) -> Result<Option<Session>, AccountError> {
        Ok(self.sessions.find(token.hash()).await?.map(|shopper| Session { shopper }))
    }

    /// Writes behind the sessions that PostgreSQL missed. Gives how many.
    pub(crate) async fn write_behind(&self) -> Result<usize, AccountError> {
        Ok(self.sessions.write_behind().await?)
    }
}
