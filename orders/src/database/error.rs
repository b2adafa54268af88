//! What a caller can do about a failed call of PostgreSQL.

use std::time::Duration;

/// PostgreSQL is away, or refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("PostgreSQL did not answer a moment ago")]
    Away,
    #[error("PostgreSQL did not answer within {after:?}")]
    NoAnswer { after: Duration },
    /// Too much is waiting already.
    #[error("too many calls wait for PostgreSQL")]
    Full,
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
}

impl DatabaseError {
    /// Trying later may help; otherwise PostgreSQL has looked at the data and will always refuse it. Of what PostgreSQL says, only data that it
    /// cannot take (class 22) and broken constraints (class 23) are about the data: the rest is about its own state or schema.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Away | Self::NoAnswer { .. } | Self::Full => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                !error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
            }
            Self::Sql(error) => matches!(
                error,
                sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_)
            ),
        }
    }

    /// Nothing was heard: PostgreSQL is away, or only this call was too slow.
    pub(super) fn is_unheard(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Sql(sqlx::Error::PoolTimedOut))
    }

    /// The connection broke, or PostgreSQL says that it starts or stops (class 57P) or that the connection does (class 08).
    pub(super) fn is_going(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed) => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
            }
            _ => false,
        }
    }
}
