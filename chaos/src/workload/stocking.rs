//! Stock for shoppers: enough of most things, so that a checkout is accepted as long as the system takes any, and little of some, so that the last unit
//! is fought for.

use anyhow::{Context, ensure};
use inventory_api::{Consistency, InventoryClient, OutcomeCode, ReceiveRequest};
use storefront_types::{CallContext, CommandId, Quantity};
use uuid::Uuid;

use super::catalogue::Offer;

/// More than shoppers buy in the longest run: 10 a second, 3 hours, 6 units each, are 648,000.
const PLENTY: u32 = 1_000_000;

/// One of so many things is left as it is.
const SCARCE_OF: usize = 8;

/// Brings units of what there is little of.
pub(super) async fn stock(client: &InventoryClient, offers: &[Offer]) -> anyhow::Result<()> {
    let context = || CallContext::background(Uuid::new_v4());
    for (_, Offer { sku, .. }) in offers.iter().enumerate().filter(|(nth, _)| nth % SCARCE_OF != 0) {
        let known = client.stock(&context(), sku, Consistency::Linearizable).await?;
        let known = known.with_context(|| format!("{sku} has no stock, not even of 0"))?;
        if known.available() >= u64::from(PLENTY) / 2 {
            continue;
        }
        let quantity = Quantity::new(PLENTY)?;
        let location = known.locations.first().with_context(|| format!("{sku} lies nowhere"))?.location.clone();
        let brought = ReceiveRequest { id: CommandId::new(Uuid::now_v7()), sku: sku.clone(), location, quantity };
        let outcome = client.receive(&context(), &brought).await?;
        ensure!(outcome.outcome == OutcomeCode::Ok, "units of {sku} cannot be brought: {:?}", outcome.outcome);
    }
    Ok(())
}
