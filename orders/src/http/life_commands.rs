//! Operators' commands, checked and as wishes.

use http::HeaderMap;
use orders_api::{AllocateCommand, MAX_CART_LINES, PayCommand, PlainCommand, ReturnCommand, ShipCommand};
use serde_json::json;
use storefront_service::ProblemResponse;
use storefront_types::{CallContext, OrderId, Problem, ProblemType};

use super::{checkout_routes::idempotency_key, invalid, unavailable};
use crate::{
    checkout::Runner,
    order::{Dossier, LifeCommand, LifeStore, Refused, TransitionError, Wish},
    outbox::{ReturnedUnits, Units, UnitsAt},
};

const MAX_BY_BYTES: usize = 100;
const MAX_REASON_BYTES: usize = 500;
const MAX_CARRIER_BYTES: usize = 60;
const MAX_TRACKING_BYTES: usize = 100;
const MAX_REFERENCE_BYTES: usize = 200;

/// A bounded text without control characters.
pub(super) fn text(name: &str, text: &str, most: usize) -> Result<String, ProblemResponse> {
    let text = text.trim();
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        return Err(invalid(name, &format!("1 to {most} bytes without control characters")));
    }
    Ok(text.to_owned())
}

pub(super) fn optional(name: &str, given: Option<&str>, most: usize) -> Result<Option<String>, ProblemResponse> {
    given.map(|given| text(name, given, most)).transpose()
}

pub(super) fn reason(given: Option<&str>) -> Result<Option<String>, ProblemResponse> {
    optional("reason", given, MAX_REASON_BYTES)
}

fn bounded<T>(lines: &[T]) -> Result<(), ProblemResponse> {
    match lines.len() {
        0..=MAX_CART_LINES => Ok(()),
        _ => Err(invalid("lines", &format!("an order has at most {MAX_CART_LINES} lines"))),
    }
}

/// What each command's body says besides what is to be done.
pub(super) trait Said {
    /// Commands that would do something again when they are repeated need a key.
    const NEEDS_KEY: bool;
    fn by(&self) -> (Option<&str>, Option<&str>);
    fn command(&self) -> Result<LifeCommand, ProblemResponse>;
}

impl Said for PayCommand {
    const NEEDS_KEY: bool = false;

    fn by(&self) -> (Option<&str>, Option<&str>) {
        (self.by.as_deref(), self.reason.as_deref())
    }

    fn command(&self) -> Result<LifeCommand, ProblemResponse> {
        Ok(LifeCommand::Pay { reference: optional("reference", self.reference.as_deref(), MAX_REFERENCE_BYTES)? })
    }
}

impl Said for AllocateCommand {
    const NEEDS_KEY: bool = false;

    fn by(&self) -> (Option<&str>, Option<&str>) {
        (self.by.as_deref(), self.reason.as_deref())
    }

    fn command(&self) -> Result<LifeCommand, ProblemResponse> {
        // A line may come from several places.
        if self.lines.len() > 4 * MAX_CART_LINES {
            return Err(invalid("lines", &format!("at most {} of them", 4 * MAX_CART_LINES)));
        }
        let line = |line: &orders_api::UnitsFrom| UnitsAt {
            sku: line.sku.clone(),
            quantity: line.quantity.get(),
            location: line.location.clone(),
        };
        Ok(LifeCommand::Allocate { lines: self.lines.iter().map(line).collect() })
    }
}

impl Said for ShipCommand {
    const NEEDS_KEY: bool = true;

    fn by(&self) -> (Option<&str>, Option<&str>) {
        (self.by.as_deref(), self.reason.as_deref())
    }

    fn command(&self) -> Result<LifeCommand, ProblemResponse> {
        bounded(&self.lines)?;
        let line = |line: &orders_api::UnitsOf| Units { sku: line.sku.clone(), quantity: line.quantity.get() };
        Ok(LifeCommand::Ship {
            carrier: text("carrier", &self.carrier, MAX_CARRIER_BYTES)?,
            tracking: optional("tracking", self.tracking.as_deref(), MAX_TRACKING_BYTES)?,
            lines: self.lines.iter().map(line).collect(),
        })
    }
}

impl Said for ReturnCommand {
    const NEEDS_KEY: bool = true;

    fn by(&self) -> (Option<&str>, Option<&str>) {
        (self.by.as_deref(), self.reason.as_deref())
    }

    fn command(&self) -> Result<LifeCommand, ProblemResponse> {
        bounded(&self.lines)?;
        let line = |line: &orders_api::ReturnLine| ReturnedUnits {
            sku: line.sku.clone(),
            quantity: line.quantity.get(),
            restock: line.restock,
            location: line.location.clone(),
        };
        Ok(LifeCommand::Return { lines: self.lines.iter().map(line).collect() })
    }
}

/// A command whose body says nothing but who and why.
pub(super) struct Plain(pub(super) PlainCommand, pub(super) LifeCommand);

impl Said for Plain {
    const NEEDS_KEY: bool = false;

    fn by(&self) -> (Option<&str>, Option<&str>) {
        (self.0.by.as_deref(), self.0.reason.as_deref())
    }

    fn command(&self) -> Result<LifeCommand, ProblemResponse> {
        Ok(self.1.clone())
    }
}

/// A wish of an operator's.
pub(super) fn wish<T: Said>(id: &str, headers: &HeaderMap, said: &T) -> Result<Wish, ProblemResponse> {
    let order = id.parse().map_err(|_| invalid("id", "an order id is a UUID"))?;
    let key = match T::NEEDS_KEY || headers.contains_key("idempotency-key") {
        true => Some(idempotency_key(headers)?.as_str().to_owned()),
        false => None,
    };
    let (by, why) = said.by();
    let actor = optional("by", by, MAX_BY_BYTES)?.map_or_else(|| "operator".to_owned(), |name| format!("operator {name}"));
    Ok(Wish { order, command: said.command()?, actor, reason: reason(why)?, key, shopper: None })
}

/// Carries a wish out; an order that is accepted and not yet recorded is recorded first.
pub(super) async fn carry_out(
    life: &LifeStore,
    runner: &Runner,
    context: &CallContext,
    wish: &Wish,
) -> Result<Dossier, ProblemResponse> {
    let mut done = life.transition(wish).await;
    if matches!(done, Err(TransitionError::NotFound)) && recorded(runner, context, wish.order).await? {
        done = life.transition(wish).await;
    }
    let kind = wish.command.name();
    metrics::counter!("orders_transitions_total", "command" => kind, "outcome" => if done.is_ok() { "done" } else { "refused" })
        .increment(1);
    done.map_err(|error| match error {
        TransitionError::NotFound => ProblemType::NotFound.into(),
        TransitionError::Refused(refused) => problem(&refused).into(),
        TransitionError::KeyReused => {
            let detail = "this Idempotency-Key belongs to another command of this order; use a new one";
            Problem::new(ProblemType::IdempotencyKeyReused).detail(detail).into()
        }
        TransitionError::Database(error) => {
            tracing::warn!(%error, order = %wish.order, "an order cannot be changed now");
            unavailable("orders cannot be changed now; repeat the command")
        }
    })
}

async fn recorded(runner: &Runner, context: &CallContext, id: OrderId) -> Result<bool, ProblemResponse> {
    runner.record_accepted(context, id).await.map_err(|error| {
        tracing::warn!(%error, order = %id, "an accepted order cannot be recorded now");
        unavailable("the order cannot be looked up or changed now; repeat the command")
    })
}

fn problem(refused: &Refused) -> Problem {
    let conflict = |detail: String| Problem::new(ProblemType::OrderConflict).detail(detail);
    match refused {
        Refused::NotNow { status, wanted, allowed } => {
            let may = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            conflict(format!("the order is {}, so {wanted} is not possible; possible: {may}", status.as_str()))
        }
        Refused::TooMany { sku, requested, possible } => {
            let line = json!({"sku": sku, "requested": requested, "possible": possible});
            conflict(format!("{requested} of {sku} were asked for, {possible} are possible")).lines(vec![line])
        }
        Refused::TooOften => conflict("the order was changed more often than any order is".to_owned()),
        Refused::UnknownParcel { parcel } => {
            Problem::new(ProblemType::NotFound).detail(format!("the order has no parcel {parcel}"))
        }
        Refused::UnknownLine { sku } => invalid("lines", &format!("the order has no line of {sku}")).0,
        Refused::TwiceNamed { sku } => invalid("lines", &format!("{sku} is named twice; name it once with the sum")).0,
        Refused::Empty => invalid("lines", "name at least one").0,
    }
}
