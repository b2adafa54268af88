//! Rows of PostgreSQL as orders.

use orders_api::{Address, Order, OrderLine, OrderStatus};
use sqlx::types::Json;
use storefront_types::{Currency, Money, OrderId, Sku};
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of `shop_order`.
pub(super) struct OrderRow {
    pub(super) id: Uuid,
    pub(super) shopper_id: Uuid,
    pub(super) fingerprint: Vec<u8>,
    pub(super) total_amount: i64,
    pub(super) currency: String,
    pub(super) delivery_address: Json<Address>,
    pub(super) placed_at: OffsetDateTime,
    pub(super) status: String,
}

/// A row of `order_item`.
pub(super) struct ItemRow {
    pub(super) order_id: Uuid,
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) unit_amount: i64,
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// An order with its items, which are in the order of their positions.
pub(super) fn order<'a>(row: &OrderRow, items: impl Iterator<Item = &'a ItemRow>) -> Result<Order, sqlx::Error> {
    let currency: Currency = row.currency.parse().map_err(unreadable)?;
    Ok(Order {
        id: OrderId::new(row.id),
        status: OrderStatus::parse(&row.status).unwrap_or(OrderStatus::Placed),
        lines: items.map(|item| line(item, currency)).collect::<Result<_, _>>()?,
        total: Money::new(row.total_amount, currency),
        delivery_address: row.delivery_address.0.clone(),
        placed_at: row.placed_at,
        parcels: Vec::new(),
        refunds: Vec::new(),
    })
}

fn line(item: &ItemRow, currency: Currency) -> Result<OrderLine, sqlx::Error> {
    Ok(OrderLine {
        sku: Sku::parse(&item.sku).map_err(unreadable)?,
        quantity: u32::try_from(item.quantity).map_err(unreadable)?,
        unit_price: Money::new(item.unit_amount, currency),
        cancelled: 0,
    })
}
