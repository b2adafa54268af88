//! Reads: linearizable by default, local on request.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use inventory_api::{Consistency, Reservation, ReservationState, Stock, StockPage};
use serde::Deserialize;
use storefront_service::{ProblemResponse, StrictQuery};
use storefront_types::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, Page, Problem, ProblemType, ReservationId, Sku};
use utoipa::IntoParams;

use super::{Api, command_routes::ReservationPath, convert, error};
use crate::{
    clock,
    stock::{ConfirmedCursor, LogTime},
};

pub(super) type Answer = Result<Response, Response>;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StockQuery {
    #[serde(default)]
    consistency: Consistency,
    /// With `local`: refuse when the state is older.
    max_staleness_ms: Option<u64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StockPageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    /// `local` unless given.
    consistency: Option<Consistency>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservationsQuery {
    state: Option<ReservationState>,
    /// With `state=confirmed`: confirmed at least so long ago.
    older_than_ms: Option<u64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) fn invalid(name: &str, reason: &str) -> Response {
    let problem = Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}"));
    ProblemResponse(problem.invalid_param(name, reason)).into_response()
}

pub(super) fn page_limit(limit: Option<u32>) -> Result<usize, Response> {
    match limit.unwrap_or(DEFAULT_PAGE_LIMIT) {
        limit @ 1..=MAX_PAGE_LIMIT => Ok(limit as usize),
        _ => Err(invalid("limit", "between 1 and 200")),
    }
}

impl Api {
    pub(super) async fn linearize(&self) -> Result<(), Response> {
        self.reads.wait().await.map_err(|failed| error::round_error(failed, &self.consensus.view()))
    }

    /// The time as of which this node's own state is the newest.
    ///
    /// # Errors
    /// It is longer ago than asked for.
    pub(super) fn local(&self, max_staleness_ms: Option<u64>) -> Result<LogTime, Response> {
        let (now, as_of) = (clock::now(), self.consensus.as_of(clock::now()));
        let age_ms = now.0.saturating_sub(as_of.0);
        if max_staleness_ms.is_some_and(|most| age_ms > most) {
            let problem = Problem::new(ProblemType::TooStale).detail(format!("this node's state is {age_ms} ms old"));
            return Err(ProblemResponse(problem).into_response());
        }
        Ok(as_of)
    }
}

/// One SKU's stock.
#[utoipa::path(get, path = inventory_api::paths::STOCK, params(("sku" = String, Path), StockQuery), responses((status = 200, body = Stock)))]
pub(super) async fn stock(
    State(api): State<Arc<Api>>,
    Path(sku): Path<String>,
    StrictQuery(query): StrictQuery<StockQuery>,
) -> Answer {
    let sku = Sku::parse(&sku).map_err(|reason| invalid("sku", &reason.to_string()))?;
    match query.consistency {
        Consistency::Linearizable => linearizable_stock(&api, &sku).await,
        Consistency::Local => applied_stock(&api, &sku, api.local(query.max_staleness_ms)?),
    }
}

/// The stock as of now, or later: whatever was answered before this call shows in it.
pub(super) async fn linearizable_stock(api: &Api, sku: &Sku) -> Answer {
    let asked = clock::now();
    api.linearize().await?;
    applied_stock(api, sku, asked)
}

fn applied_stock(api: &Api, sku: &Sku, as_of: LogTime) -> Answer {
    let view = api.consensus.view();
    let applied = api.consensus.shared.read();
    let found = applied.inventory.stock(sku).map(|stock| convert::stock(sku, stock, applied.index(), clock::date(as_of)));
    drop(applied);
    let found = found.ok_or_else(|| ProblemResponse::from(ProblemType::UnknownSku).into_response())?;
    Ok(error::found(found, &view))
}

/// Many SKUs in order of name, as this node has applied them; with `consistency=linearizable`, as of now.
#[utoipa::path(get, path = inventory_api::paths::STOCK_LIST, params(StockPageQuery), responses((status = 200, body = StockPage)))]
pub(super) async fn stock_page(State(api): State<Arc<Api>>, StrictQuery(query): StrictQuery<StockPageQuery>) -> Answer {
    let limit = page_limit(query.limit)?;
    let after = query.cursor.as_deref().map(Sku::parse).transpose();
    let after = after.map_err(|_| invalid("cursor", "give back the `next_cursor` of the page before"))?;
    let as_of = match query.consistency.unwrap_or(Consistency::Local) {
        Consistency::Local => api.consensus.as_of(clock::now()),
        Consistency::Linearizable => {
            let asked = clock::now();
            api.linearize().await?;
            asked
        }
    };
    let (view, as_of) = (api.consensus.view(), clock::date(as_of));
    let applied = api.consensus.shared.read();
    let found = applied.inventory.stock_page(after.as_ref(), limit + 1);
    let items: Vec<Stock> =
        found.iter().take(limit).map(|(sku, stock)| convert::stock(sku, stock, applied.index(), as_of)).collect();
    let next_cursor = items.last().filter(|_| found.len() > limit).map(|last| last.sku.to_string());
    Ok(error::found(StockPage { items, next_cursor, changes_token: applied.index().to_string() }, &view))
}

/// One reservation with its history; linearizable.
#[utoipa::path(get, path = inventory_api::paths::RESERVATION, params(("id" = ReservationId, Path)), responses((status = 200, body = Reservation)))]
pub(super) async fn reservation(State(api): State<Arc<Api>>, id: ReservationPath) -> Answer {
    api.linearize().await?;
    let view = api.consensus.view();
    let applied = api.consensus.shared.read();
    let found = applied.inventory.reservation(id.0).map(|found| convert::reservation(id.0, found));
    let found = found.ok_or_else(|| ProblemResponse::from(ProblemType::NotFound).into_response())?;
    Ok(error::found(found, &view))
}

/// Reservations: those of `state=confirmed` oldest first, others in order of id; linearizable.
#[utoipa::path(get, path = inventory_api::paths::RESERVATIONS, params(ReservationsQuery), responses((status = 200, body = Page<Reservation>)))]
pub(super) async fn reservations(State(api): State<Arc<Api>>, StrictQuery(query): StrictQuery<ReservationsQuery>) -> Answer {
    let limit = page_limit(query.limit)?;
    let bad_cursor = || invalid("cursor", "give back the `next_cursor` of the page before");
    api.linearize().await?;
    let view = api.consensus.view();
    let applied = api.consensus.shared.read();
    let page = if query.state == Some(ReservationState::Confirmed) {
        let after = query.cursor.as_deref().map(confirmed_cursor).map(|cursor| cursor.ok_or_else(bad_cursor)).transpose()?;
        let before = LogTime(clock::now().0.saturating_sub(query.older_than_ms.unwrap_or_default()));
        let found = applied.inventory.confirmed(before, after, limit + 1);
        let last = found.get(limit - 1).filter(|_| found.len() > limit);
        Page {
            next_cursor: last.map(|((at, id), _)| format!("{}.{id}", at.0)),
            items: found.iter().take(limit).map(|((_, id), found)| convert::reservation(*id, found)).collect(),
        }
    } else {
        if query.older_than_ms.is_some() {
            return Err(invalid("older_than_ms", "goes with state=confirmed"));
        }
        let after = query.cursor.as_deref().map(|text| text.parse::<ReservationId>().map_err(|_| bad_cursor())).transpose()?;
        let found = applied.inventory.reservations(query.state.map(convert::state_from), after, limit + 1);
        let last = found.get(limit - 1).filter(|_| found.len() > limit);
        Page {
            next_cursor: last.map(|(id, _)| id.to_string()),
            items: found.iter().take(limit).map(|(id, found)| convert::reservation(*id, found)).collect(),
        }
    };
    Ok(error::found(page, &view))
}

fn confirmed_cursor(text: &str) -> Option<ConfirmedCursor> {
    let (at, id) = text.split_once('.')?;
    Some((LogTime(at.parse().ok()?), id.parse().ok()?))
}
