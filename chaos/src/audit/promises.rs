//! Every reservation of the inventory as a stream, the next pages asked for while one is looked at.

use anyhow::Context;
use futures_util::{Stream, TryStreamExt, stream};
use inventory_api::{ChangeKind, InventoryClient, MAX_BRIEFS, Reservation, ReservationBrief, ReservationState};
use storefront_types::{CallContext, ReservationId};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::check::{Promise, lines};

/// Pages read ahead: 4 x 2,000 reservations are two megabytes.
const AHEAD: usize = 4;

/// The inventory's clock, in milliseconds since 1970. It stands still while nothing happens there; this machine's goes on.
pub(super) async fn clock_ms(client: &InventoryClient, context: &CallContext) -> anyhow::Result<u64> {
    let page = client.reservation_briefs(context, 1, None).await.context("the inventory does not answer")?;
    Ok(page.clock_ms.max(ms(OffsetDateTime::now_utc())))
}

fn ms(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

/// In order of id.
pub(super) fn promises(client: InventoryClient, context: CallContext) -> impl Stream<Item = anyhow::Result<Promise>> + Send {
    let (pages, read) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut cursor = None;
        loop {
            let page = client.reservation_briefs(&context, MAX_BRIEFS, cursor.as_deref()).await;
            cursor = page.as_ref().ok().and_then(|page| page.next_cursor.clone());
            // Nobody listens: the audit ended early.
            if pages.send(page).await.is_err() || cursor.is_none() {
                return;
            }
        }
    });
    let pages = stream::unfold(read, |mut read| async move { Some((read.recv().await?, read)) });
    pages
        .map_ok(|page| stream::iter(page.items.into_iter().map(|brief| Ok(of_brief(brief)))))
        .try_flatten()
        .map_err(|error: inventory_api::ClientError| anyhow::Error::from(error).context("the inventory does not answer"))
}

fn of_brief(brief: ReservationBrief) -> Promise {
    Promise {
        id: brief.id.uuid(),
        state: brief.state,
        lines: lines(brief.lines.into_iter().map(|line| (line.sku.to_string(), line.quantity))),
        confirmed_at_ms: brief.confirmed_at_ms,
        expires_at_ms: brief.expires_at_ms,
    }
}

/// One reservation as it is now.
pub(super) async fn promise(client: &InventoryClient, context: &CallContext, id: Uuid) -> anyhow::Result<Option<Promise>> {
    let found = client.reservation(context, ReservationId::new(id)).await.context("the inventory does not answer")?;
    Ok(found.map(of_reservation))
}

fn of_reservation(found: Reservation) -> Promise {
    let confirmed = found.changes.iter().find(|of| matches!(of.change, ChangeKind::Confirmed | ChangeKind::Purchased));
    Promise {
        id: found.id.uuid(),
        state: found.state,
        confirmed_at_ms: confirmed.map(|change| ms(change.at)),
        expires_at_ms: found.expires_at.filter(|_| found.state == ReservationState::Reserved).map(ms),
        lines: lines(found.lines.into_iter().map(|line| (line.sku.to_string(), line.quantity))),
    }
}
