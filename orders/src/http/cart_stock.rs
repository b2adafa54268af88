//! Lines of a cart of which fewer are available than wanted, told before a checkout refuses them.

use std::time::Duration;

use futures_util::StreamExt;
use inventory_api::Consistency;
use orders_api::{Cart, CartChange, CartLine};
use storefront_types::CallContext;

use super::Shop;

/// Nobody waits longer for it: a checkout decides, and this is only a word in advance.
const PATIENCE: Duration = Duration::from_millis(300);

/// Reads under way at once; a node answers each from memory.
const AT_ONCE: usize = 8;

impl Shop {
    /// Adds to `changes` what the nearest inventory node says is short. A node that does not answer in time is not mentioned.
    pub(super) async fn with_stock(&self, context: &CallContext, mut cart: Cart) -> Cart {
        let inventory = self.runner.inventory.clone().with_deadline(PATIENCE);
        let available = |line: CartLine| {
            let inventory = inventory.clone();
            async move {
                let found = inventory.stock(context, &line.sku, Consistency::Local).await.ok()?;
                // A SKU that never had stock is not known to the inventory.
                Some((line, found.map_or(0, |stock| stock.available())))
            }
        };
        let lines = cart.lines.clone();
        let looks = futures_util::stream::iter(lines).map(available).buffered(AT_ONCE);
        let seen = tokio::time::timeout(PATIENCE, looks.filter_map(std::future::ready).collect::<Vec<_>>());
        cart.changes.extend(seen.await.unwrap_or_default().into_iter().filter_map(short));
        cart
    }
}

fn short((line, available): (CartLine, u64)) -> Option<CartChange> {
    let CartLine { sku, title, quantity: wanted, .. } = line;
    (available < u64::from(wanted)).then_some(CartChange::FewerAvailable { sku, title, wanted, available })
}
