//! The few wire types that two services exchange.
//!
//! Owns: identifiers, quantities, money, regions, keys, pages and problem documents, each parsed once at the
//! boundary so that the inside of a service never sees an invalid one.
//! Must not: do I/O, read a clock, draw a random number, or depend on tokio, axum or sqlx.

mod call_context;
mod idempotency_key;
mod ids;
mod money;
mod page;
mod problem;
mod quantity;
mod region;
mod sku;
mod text;

pub use call_context::{CallContext, InvalidTraceParent, RequestId, TraceParent};
pub use idempotency_key::{IdempotencyKey, InvalidIdempotencyKey};
pub use ids::{CommandId, OrderId, ProductId, ReservationId, ShopperId};
pub use money::{Currency, InvalidCurrency, Money, MoneyError};
pub use page::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, Page};
pub use problem::{InvalidParam, Problem, ProblemType};
pub use quantity::{MAX_QUANTITY, Quantity, QuantityError};
pub use region::{InvalidName, LocationId, Region};
pub use sku::{InvalidSku, MAX_SKU_BYTES, Sku};
