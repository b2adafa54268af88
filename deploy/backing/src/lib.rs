//! PostgreSQL 15 and Redis 7, and what keeps a PostgreSQL of two regions (Patroni, etcd, HAProxy): found or installed, and run as private
//! instances.
//!
//! Owns: where the servers' programs are, starting and stopping instances with data directories and ports of their own. Must not: touch a
//! server that was already running.

mod etcd;
mod haproxy;
mod install;
mod patroni;
mod postgres;
mod redis;
mod spawn;
mod testing;

pub use etcd::Etcd;
pub use haproxy::{Haproxy, Upstream};
pub use install::{InstallError, Packaged, ensure_installed, ensure_packages, ensure_replication_installed};
pub use patroni::{Passwords, Patroni};
pub use postgres::Postgres;
pub use redis::Redis;
pub use spawn::{ServerError, free_listener, free_port, guarded, serve};
pub use testing::{postgres_url, redis_url};
