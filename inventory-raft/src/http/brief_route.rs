//! Every reservation in short, in long pages: for audits, which read all there are.

use std::sync::Arc;

use axum::extract::State;
use inventory_api::{LineBrief, MAX_BRIEFS, ReservationBrief, ReservationBriefs, paths};
use serde::Deserialize;
use storefront_service::StrictQuery;
use storefront_types::ReservationId;
use utoipa::IntoParams;

use super::{
    Api, convert, error,
    query_routes::{Answer, invalid},
};
use crate::stock::{Reservation, State as Stands};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct BriefsQuery {
    /// At most, and unless given, 2,000.
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Every reservation that is remembered, in order of id; linearizable.
#[utoipa::path(get, path = paths::RESERVATION_BRIEFS, params(BriefsQuery), responses((status = 200, body = ReservationBriefs)))]
pub(super) async fn briefs(State(api): State<Arc<Api>>, StrictQuery(query): StrictQuery<BriefsQuery>) -> Answer {
    let limit = match query.limit.unwrap_or(MAX_BRIEFS) {
        limit @ 1..=MAX_BRIEFS => limit as usize,
        _ => return Err(invalid("limit", "between 1 and 2000")),
    };
    let after = query.cursor.as_deref().map(str::parse::<ReservationId>).transpose();
    let after = after.map_err(|_| invalid("cursor", "give back the `next_cursor` of the page before"))?;
    api.linearize().await?;
    let view = api.consensus.view();
    let page = {
        let applied = api.consensus.shared.read();
        let found = applied.inventory.reservations(None, after, limit + 1);
        ReservationBriefs {
            next_cursor: found.get(limit - 1).filter(|_| found.len() > limit).map(|(id, _)| id.to_string()),
            items: found.iter().take(limit).map(|(id, found)| brief(*id, found)).collect(),
            clock_ms: applied.inventory.clock().0,
        }
    };
    Ok(error::found(page, &view))
}

fn brief(id: ReservationId, of: &Reservation) -> ReservationBrief {
    ReservationBrief {
        id,
        state: convert::state(of.state),
        lines: of.lines.iter().map(|line| LineBrief { sku: line.sku.clone(), quantity: line.quantity() }).collect(),
        confirmed_at_ms: of.confirmed_at().map(|at| at.0),
        expires_at_ms: (of.state == Stands::Reserved).then_some(of.expires_at.0),
    }
}
