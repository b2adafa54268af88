//! PostgreSQL 15 and Redis 7: found or installed, and run as private instances.
//!
//! Owns: where the servers' programs are, starting and stopping instances with data directories and ports of their own. Must not: touch a
//! server that was already running.

mod install;
mod postgres;
mod redis;
mod spawn;
mod testing;

pub use install::{InstallError, Packaged, ensure_installed, ensure_packages};
pub use postgres::Postgres;
pub use redis::Redis;
pub use spawn::{ServerError, free_listener, free_port, guarded, serve};
pub use testing::{postgres_url, redis_url};
