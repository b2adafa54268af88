//! What a test reads from both stores.

use chaos::{audit, check::conservation};
use inventory_api::ReceiveRequest;
use storefront_types::{CallContext, CommandId, Quantity, Sku};
use uuid::Uuid;

use super::running::{Running, eventually};

/// Units come to a location.
pub(crate) async fn receive(running: &Running, sku: &str, units: u32) {
    let client = audit::inventory(&running.topology()).unwrap();
    let (id, location) = (CommandId::new(Uuid::now_v7()), "eu-1".parse().unwrap());
    let request = ReceiveRequest { id, sku: Sku::parse(sku).unwrap(), location, quantity: Quantity::new(units).unwrap() };
    client.receive(&CallContext::background(Uuid::new_v4()), &request).await.unwrap();
}

/// Both stores agree, nothing is held, nothing waits: tried until it is so.
pub(crate) async fn at_rest(running: &Running) {
    eventually("the books to balance", async || {
        let books = audit::read(&running.topology()).await.ok()?;
        let rest = books.held.is_empty() && books.unrecorded.is_empty();
        (rest && conservation(&books).is_empty()).then_some(())
    })
    .await;
}
