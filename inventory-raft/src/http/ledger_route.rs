//! The ledger of a SKU, page by page.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use inventory_api::{Consistency, LedgerPage, StockAt};
use serde::Deserialize;
use storefront_service::{ProblemResponse, StrictQuery};
use storefront_types::{Problem, ProblemType, Sku};
use utoipa::IntoParams;

use super::{
    Api, error,
    query_routes::{Answer, invalid, page_limit},
};
use crate::{
    clock,
    stock::{Balance, LevelChange, LogTime, Movement, MovementKind, Statement, Step},
};

/// Movements taken back under one lock. They take about a millisecond, which `apply` can wait for.
const TAKEN_BACK_AT_ONCE: u64 = 4_096;

/// Times a statement is begun. What it looks at is forgotten 48 hours after it happened, so one is enough but for bad luck.
const ATTEMPTS: usize = 3;

/// Movements of one ledger at most, and without `last`: older ones are in the opening balance. About 30 ms of one processor.
const MAX_LAST: u64 = 100_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LedgerQuery {
    /// Only so many of the newest movements, at most and unless given 100,000.
    last: Option<u64>,
    limit: Option<u32>,
    cursor: Option<String>,
    #[serde(default)]
    consistency: Consistency,
    /// With `local`: refuse when the state is older.
    max_staleness_ms: Option<u64>,
}

/// A place in a ledger: after a version, on the way to the closing one.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    after: u64,
    until: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (after, until) = text.split_once('.')?;
        let cursor = Self { after: after.parse().ok()?, until: until.parse().ok()? };
        (cursor.after < cursor.until).then_some(cursor)
    }
}

/// What moved a SKU's stock, oldest first: everything of the last 48 hours at least, and what was before as an opening balance.
#[utoipa::path(get, path = inventory_api::paths::LEDGER, params(("sku" = String, Path), LedgerQuery), responses((status = 200, body = LedgerPage)))]
pub(super) async fn ledger(
    State(api): State<Arc<Api>>,
    Path(sku): Path<String>,
    StrictQuery(query): StrictQuery<LedgerQuery>,
) -> Answer {
    let sku = Sku::parse(&sku).map_err(|reason| invalid("sku", &reason.to_string()))?;
    let limit = page_limit(query.limit)?;
    let cursor = query.cursor.as_deref().map(|text| Cursor::parse(text).ok_or_else(bad_cursor)).transpose()?;
    if cursor.is_some() && query.last.is_some() {
        return Err(invalid("last", "goes without a cursor, which says already where to go on"));
    }
    let last = query.last.unwrap_or(MAX_LAST);
    if last > MAX_LAST {
        return Err(invalid("last", "at most 100000"));
    }
    let as_of = match query.consistency {
        Consistency::Local => api.local(query.max_staleness_ms)?,
        Consistency::Linearizable => {
            let asked = clock::now();
            api.linearize().await?;
            asked
        }
    };
    match cursor {
        Some(cursor) => next_page(&api, sku, cursor, limit, as_of),
        None => first_page(&api, sku, last, limit, as_of).await,
    }
}

fn bad_cursor() -> Response {
    invalid("cursor", "give back the `next_cursor` of the page before")
}

fn unknown_sku() -> Response {
    ProblemResponse::from(ProblemType::UnknownSku).into_response()
}

async fn first_page(api: &Api, sku: Sku, last: u64, limit: usize, as_of: LogTime) -> Answer {
    for _ in 0..ATTEMPTS {
        let begun = {
            let applied = api.consensus.shared.read();
            Statement::begin(&applied.inventory, &sku, Some(last)).map(|statement| (statement, applied.index()))
        };
        let (mut statement, log_index) = begun.ok_or_else(unknown_sku)?;
        loop {
            let found = {
                let applied = api.consensus.shared.read();
                match statement.step(&applied.inventory, &sku, TAKEN_BACK_AT_ONCE) {
                    Step::More => None,
                    Step::Overtaken => break,
                    Step::Whole => {
                        let (after, until) = (statement.opening.version, statement.closing.version);
                        let movements = applied.inventory.movements(&sku, after + 1..=until);
                        Some((movements.take(limit).collect::<Vec<_>>(), until))
                    }
                }
            };
            if let Some((movements, until)) = found {
                let (opening, closing) = (Some(balance(statement.opening)), Some(balance(statement.closing)));
                let page = LedgerPage { opening, closing, ..page(sku, &movements, until, log_index, as_of) };
                return Ok(error::found(page, &api.consensus.view()));
            }
            tokio::task::yield_now().await;
        }
    }
    let detail = "movements are being forgotten faster than they are summed up; ask again, or for fewer with `last`";
    Err(ProblemResponse(Problem::new(ProblemType::Unavailable).detail(detail)).into_response())
}

fn next_page(api: &Api, sku: Sku, cursor: Cursor, limit: usize, as_of: LogTime) -> Answer {
    let Cursor { after, until } = cursor;
    let view = api.consensus.view();
    let applied = api.consensus.shared.read();
    let told = applied.inventory.told(&sku).ok_or_else(unknown_sku)?;
    if until > told.newest {
        return Err(bad_cursor());
    }
    if after + 1 < told.oldest {
        return Err(invalid("cursor", "what follows it was summed up by now; begin again without a cursor"));
    }
    let movements: Vec<_> = applied.inventory.movements(&sku, after + 1..=until).take(limit).collect();
    Ok(error::found(page(sku, &movements, until, applied.index(), as_of), &view))
}

fn page(sku: Sku, movements: &[Movement], until: u64, log_index: u64, as_of: LogTime) -> LedgerPage {
    let last = movements.last().filter(|last| last.version < until);
    let next_cursor = last.map(|last| format!("{}.{until}", last.version));
    let items = movements.iter().map(movement).collect();
    LedgerPage { sku, opening: None, items, closing: None, next_cursor, log_index, as_of: clock::date(as_of) }
}

fn balance(of: Balance) -> inventory_api::Balance {
    let locations = of.levels.into_iter().map(|(location, level)| StockAt {
        location,
        on_hand: level.on_hand,
        reserved: level.reserved,
        available: level.available(),
    });
    inventory_api::Balance { version: of.version, locations: locations.collect() }
}

fn movement(of: &Movement) -> inventory_api::Movement {
    let change = |change: &LevelChange| inventory_api::LevelChange {
        location: change.location.clone(),
        on_hand: change.on_hand,
        reserved: change.reserved,
    };
    inventory_api::Movement {
        version: of.version,
        at: clock::date(of.at),
        kind: kind(of.kind),
        id: of.id,
        changes: of.changes.iter().map(change).collect(),
        short: of.short,
    }
}

fn kind(of: MovementKind) -> inventory_api::MovementKind {
    match of {
        MovementKind::Received => inventory_api::MovementKind::Received,
        MovementKind::Adjusted => inventory_api::MovementKind::Adjusted,
        MovementKind::Moved => inventory_api::MovementKind::Moved,
        MovementKind::Counted => inventory_api::MovementKind::Counted,
        MovementKind::Reserved => inventory_api::MovementKind::Reserved,
        MovementKind::Purchased => inventory_api::MovementKind::Purchased,
        MovementKind::Confirmed => inventory_api::MovementKind::Confirmed,
        MovementKind::Released => inventory_api::MovementKind::Released,
        MovementKind::Expired => inventory_api::MovementKind::Expired,
    }
}
