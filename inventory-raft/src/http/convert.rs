//! Contract bodies to commands, outcomes and state to contract bodies.

use inventory_api::{
    Allocation, ChangeKind, CommandRequest, LineRequest, MAX_LINES, MAX_MEMO_BYTES, MAX_TTL_MS, MIN_TTL_MS, OutcomeCode,
    ReservationChange, ReservationLine, ReservationState, Stock, StockAt, StockTotals,
};
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType, ReservationId, Sku};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    clock,
    stock::{Allocated, Change, Code, Command, Line, Outcome, Reservation, SkuStock, State},
};

type Parsed<T> = Result<T, ProblemResponse>;

fn invalid(name: &str, reason: String) -> ProblemResponse {
    let detail = format!("{name}: {reason}");
    Problem::new(ProblemType::InvalidRequest).detail(detail).invalid_param(name, reason).into()
}

fn lines(lines: Vec<LineRequest>) -> Parsed<Vec<Line>> {
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(invalid("lines", format!("between 1 and {MAX_LINES} lines are taken, not {}", lines.len())));
    }
    let line =
        |line: LineRequest| Line { sku: line.sku, quantity: line.quantity, locations: line.locations, may_split: line.may_split };
    if let Some(at) = lines.iter().position(|line| line.locations.len() > MAX_LINES) {
        return Err(invalid(&format!("lines[{at}].locations"), format!("at most {MAX_LINES} locations are taken")));
    }
    Ok(lines.into_iter().map(line).collect())
}

pub(super) fn ttl(ttl_ms: u64) -> Parsed<u64> {
    match (MIN_TTL_MS..=MAX_TTL_MS).contains(&ttl_ms) {
        true => Ok(ttl_ms),
        false => Err(invalid("ttl_ms", format!("between {MIN_TTL_MS} and {MAX_TTL_MS} milliseconds are taken"))),
    }
}

fn memo(memo: Option<String>) -> Parsed<Option<String>> {
    match &memo {
        Some(text) if text.len() > MAX_MEMO_BYTES => Err(invalid("memo", format!("at most {MAX_MEMO_BYTES} bytes are taken"))),
        _ => Ok(memo),
    }
}

/// The command, and the id that its outcome is told under.
pub(super) fn command(request: CommandRequest) -> Parsed<(Uuid, Command)> {
    Ok(match request {
        CommandRequest::Reserve(of) => {
            let (lines, ttl_ms, memo) = (lines(of.lines)?, ttl(of.ttl_ms)?, memo(of.memo)?);
            (of.id.uuid(), Command::Reserve { id: of.id, lines, ttl_ms, memo })
        }
        CommandRequest::Purchase(of) => {
            (of.id.uuid(), Command::Purchase { id: of.id, lines: lines(of.lines)?, memo: memo(of.memo)? })
        }
        CommandRequest::Confirm(of) => (of.id.uuid(), Command::Confirm { id: of.id }),
        CommandRequest::Release(of) => (of.id.uuid(), Command::Release { id: of.id }),
        CommandRequest::Receive(of) => {
            (of.id.uuid(), Command::Receive { id: of.id, sku: of.sku, location: of.location, quantity: of.quantity })
        }
        CommandRequest::Adjust(of) if of.quantity == 0 => {
            return Err(invalid("quantity", "an adjustment by 0 changes nothing".to_owned()));
        }
        CommandRequest::Adjust(of) => {
            (of.id.uuid(), Command::Adjust { id: of.id, sku: of.sku, location: of.location, delta: of.quantity })
        }
        CommandRequest::Count(of) => {
            let (id, sku, location, expected, on_hand) = (of.id, of.sku, of.location, of.expected, of.on_hand);
            (id.uuid(), Command::Count { id, sku, location, expected, on_hand })
        }
        CommandRequest::Move(of) => {
            let (id, sku, from, to, quantity) = (of.id, of.sku, of.location, of.to, of.quantity);
            (id.uuid(), Command::Move { id, sku, from, to, quantity })
        }
    })
}

pub(super) fn code(code: Code) -> OutcomeCode {
    match code {
        Code::Ok => OutcomeCode::Ok,
        Code::InsufficientStock => OutcomeCode::InsufficientStock,
        Code::UnknownSku => OutcomeCode::UnknownSku,
        Code::UnknownLocation => OutcomeCode::UnknownLocation,
        Code::NotFound => OutcomeCode::NotFound,
        Code::Expired => OutcomeCode::Expired,
        Code::AlreadyConfirmed => OutcomeCode::AlreadyConfirmed,
        Code::AlreadyReleased => OutcomeCode::AlreadyReleased,
        Code::ConflictingDuplicate => OutcomeCode::ConflictingDuplicate,
        Code::IdTooOld => OutcomeCode::IdTooOld,
        Code::IdFromFuture => OutcomeCode::IdFromFuture,
        Code::Overflow => OutcomeCode::Overflow,
        Code::StaleCount => OutcomeCode::StaleCount,
    }
}

fn allocation(part: &Allocated) -> Allocation {
    Allocation { location: part.location.clone(), quantity: part.quantity }
}

pub(super) fn outcome(id: Uuid, of: Outcome) -> inventory_api::Outcome {
    let lines = of.lines.iter().map(|line| inventory_api::OutcomeLine {
        sku: line.sku.clone(),
        version: line.version,
        allocations: line.allocations.iter().map(allocation).collect(),
        requested: line.shortage.as_ref().map(|shortage| shortage.0),
        available: line.shortage.as_ref().map(|shortage| shortage.1),
    });
    inventory_api::Outcome {
        outcome: code(of.code),
        id,
        lines: lines.collect(),
        expires_at: of.expires_at.map(clock::date),
        replayed: of.replayed,
    }
}

pub(super) fn stock(sku: &Sku, of: &SkuStock, log_index: u64, as_of: OffsetDateTime) -> Stock {
    let at = of.at.iter().map(|(location, level)| StockAt {
        location: location.clone(),
        on_hand: level.on_hand,
        reserved: level.reserved,
        available: level.available(),
    });
    let totals =
        StockTotals { received: of.totals.received, adjusted: of.totals.adjusted, sold: of.totals.sold, short: of.totals.short };
    Stock { sku: sku.clone(), version: of.version, locations: at.collect(), totals, log_index, as_of }
}

pub(super) fn state(of: State) -> ReservationState {
    match of {
        State::Reserved => ReservationState::Reserved,
        State::Confirmed => ReservationState::Confirmed,
        State::Acknowledged => ReservationState::Acknowledged,
        State::Released => ReservationState::Released,
        State::Expired => ReservationState::Expired,
    }
}

pub(super) fn state_from(of: ReservationState) -> State {
    match of {
        ReservationState::Reserved => State::Reserved,
        ReservationState::Confirmed => State::Confirmed,
        ReservationState::Acknowledged => State::Acknowledged,
        ReservationState::Released => State::Released,
        ReservationState::Expired => State::Expired,
    }
}

fn change(of: Change) -> ChangeKind {
    match of {
        Change::Reserved => ChangeKind::Reserved,
        Change::Purchased => ChangeKind::Purchased,
        Change::Confirmed => ChangeKind::Confirmed,
        Change::Extended => ChangeKind::Extended,
        Change::Released => ChangeKind::Released,
        Change::Expired => ChangeKind::Expired,
        Change::Acknowledged => ChangeKind::Acknowledged,
    }
}

pub(super) fn reservation(id: ReservationId, of: &Reservation) -> inventory_api::Reservation {
    let line = |line: &crate::stock::ReservedLine| ReservationLine {
        sku: line.sku.clone(),
        quantity: line.quantity(),
        allocations: line.allocations.iter().map(allocation).collect(),
    };
    let changes = of.changes.iter().map(|(kind, at, versions)| ReservationChange {
        change: change(*kind),
        versions: of.lines.iter().map(|line| line.sku.clone()).zip(versions.iter().copied()).collect(),
        at: clock::date(*at),
    });
    inventory_api::Reservation {
        id,
        state: state(of.state),
        lines: of.lines.iter().map(line).collect(),
        changes: changes.collect(),
        expires_at: (of.state == State::Reserved).then(|| clock::date(of.expires_at)),
        memo: of.memo.clone(),
    }
}
