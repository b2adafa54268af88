//! The world around the saga: the real ledger of stock, and small models of the payment provider and of PostgreSQL.

use inventory_api::{OutcomeCode, ReservationState};
use inventory_raft::stock::{Change, Command, Inventory, Line, LogTime, Outcome, State as LedgerState};
use storefront_types::{CommandId, Money, OrderId, Quantity, ReservationId, Sku};
use uuid::Uuid;

use super::{Effect, Event, MAX_ATTEMPTS};
use crate::{
    checkout::{
        attempt_id,
        outcomes::{of_authorisation, of_confirm, of_extend, of_found, of_hold, of_release, of_reserve},
    },
    payment::{Authorisation, Found, PaymentState, Standing},
};

pub(super) const TTL_MS: u64 = 60_000;

/// What lies in stock, and what the order wants of it.
const STOCK: u32 = 3;
const WANTED: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Card {
    Good,
    Declined,
    /// Authorised when it is asked about the second time.
    Pending,
    /// The provider has a payment of another amount under the order's id.
    Other,
}

/// What befalls one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Not done, and the caller does not know.
    NotDone,
    /// Done, and the caller does not hear of it.
    AnswerLost,
    CrashBefore,
    CrashAfter,
    /// Every hold ends first.
    TimePasses,
    /// Somebody else buys what is free, after every hold has ended.
    SoldOut,
}

pub(super) const FAULTS: [Fault; 7] =
    [Fault::None, Fault::NotDone, Fault::AnswerLost, Fault::CrashBefore, Fault::CrashAfter, Fault::TimePasses, Fault::SoldOut];

#[derive(Clone)]
pub(super) struct World {
    ledger: Inventory,
    now_ms: u64,
    card: Card,
    pub(super) payment: Option<PaymentState>,
    /// The provider made this many; one at most.
    made: u32,
    /// The row in PostgreSQL, and the payment's beside it.
    pub(super) order: bool,
    row: Option<PaymentState>,
    strangers: u32,
}

pub(super) fn order() -> OrderId {
    OrderId::new(Uuid::new_v8([7; 16]))
}

fn sku() -> Sku {
    Sku::parse("LAMP").unwrap()
}

fn line(sku: Sku, units: u32) -> Vec<Line> {
    vec![Line { sku, quantity: Quantity::new(units).unwrap(), locations: Vec::new(), may_split: true }]
}

fn cents(amount: i64) -> Money {
    Money::new(amount, "EUR".parse().unwrap())
}

/// What the order costs.
const OWED: i64 = 500;

fn code(outcome: &Outcome) -> OutcomeCode {
    serde_json::from_value(outcome.code.name().into()).unwrap()
}

impl World {
    pub(super) fn new(card: Card) -> Self {
        let mut world = Self {
            ledger: Inventory::default(),
            now_ms: 1_000,
            card,
            payment: (card == Card::Other).then_some(PaymentState::Authorised),
            made: u32::from(card == Card::Other),
            order: false,
            row: None,
            strangers: 0,
        };
        let (id, location) = (CommandId::new(Uuid::from_u128(1)), "eu-1".parse().unwrap());
        world.apply(Command::Receive { id, sku: sku(), location, quantity: Quantity::new(STOCK).unwrap() });
        world
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.now_ms += 1;
        self.ledger.apply_entry(LogTime(self.now_ms), &[command]).remove(0)
    }

    /// Time enough for the provider to decide, too.
    pub(super) fn let_holds_end(&mut self) {
        if self.payment == Some(PaymentState::Pending) {
            self.payment = Some(PaymentState::Authorised);
        }
        self.now_ms += TTL_MS;
        self.apply(Command::Expire { limit: 100 });
    }

    fn sell_out(&mut self) {
        self.let_holds_end();
        let free = self.ledger.stock(&sku()).unwrap().at.iter().map(|(_, level)| level.available()).sum::<u64>();
        if let Ok(units) = u32::try_from(free).map_err(|_| ()).and_then(|units| Quantity::new(units).map_err(|_| ())) {
            self.strangers += units.get();
            let id = ReservationId::new(Uuid::from_u128(u128::from(self.now_ms)));
            self.apply(Command::Purchase { id, lines: line(sku(), units.get()), memo: None });
        }
    }

    /// Does an effect under a fault; `None`: the process is gone.
    pub(super) fn run(&mut self, effect: Effect, fault: Fault) -> Option<Event> {
        match fault {
            Fault::None => Some(self.act(effect)),
            Fault::CrashBefore => None,
            Fault::CrashAfter => {
                self.act(effect);
                None
            }
            Fault::TimePasses => {
                self.let_holds_end();
                Some(self.act(effect))
            }
            Fault::SoldOut => {
                self.sell_out();
                Some(self.act(effect))
            }
            Fault::NotDone => Some(unknown(effect)),
            Fault::AnswerLost => {
                self.act(effect);
                Some(unknown(effect))
            }
        }
    }

    fn act(&mut self, effect: Effect) -> Event {
        match effect {
            Effect::LookUpOrder if self.order => Event::OrderFound { same: true },
            Effect::LookUpOrder => Event::OrderNotFound,
            Effect::LookUpReservation { attempt } => self.look_up(attempt),
            Effect::LookUpPayment => {
                let amount = cents(if self.card == Card::Other { 1 } else { OWED });
                let found = self.payment.clone().map(|state| Found { reference: "pi".to_owned(), amount, state });
                of_found(&Ok(found), Some(cents(OWED)))
            }
            Effect::Price => Event::Priced,
            Effect::Replace => Event::Replaced,
            Effect::Purchase | Effect::Answer(_) => unreachable!("not with payments"),
            Effect::Reserve { attempt } => {
                let (id, memo) = (attempt_id(order(), attempt), Some("memo".to_owned()));
                let outcome = self.apply(Command::Reserve { id, lines: line(sku(), WANTED), ttl_ms: TTL_MS, memo });
                of_reserve(code(&outcome), outcome.replayed)
            }
            Effect::Close { attempt } => match self.close(attempt) {
                OutcomeCode::ConflictingDuplicate => Event::DecidedOtherwise,
                _ => Event::AttemptClosed,
            },
            Effect::Authorise => of_authorisation(&self.authorise()),
            Effect::Extend { attempt } => {
                let outcome = self.apply(Command::Extend { id: attempt_id(order(), attempt), ttl_ms: TTL_MS });
                of_extend(code(&outcome))
            }
            Effect::Confirm { attempt } => of_confirm(code(&self.apply(Command::Confirm { id: attempt_id(order(), attempt) }))),
            Effect::Release { attempt } => of_release(self.release(attempt)),
            Effect::Record => {
                self.record();
                Event::Recorded
            }
            Effect::Capture => {
                self.capture();
                Event::CaptureTried
            }
            Effect::Acknowledge => {
                let ids = (0..MAX_ATTEMPTS).map(|attempt| attempt_id(order(), attempt)).collect();
                self.apply(Command::Acknowledge { ids });
                Event::Acknowledged
            }
            Effect::Void => {
                self.void();
                Event::VoidTried
            }
        }
    }

    pub(super) fn close(&mut self, attempt: u8) -> OutcomeCode {
        let (id, nothing) = (attempt_id(order(), attempt), Sku::parse("(nothing)").unwrap());
        code(&self.apply(Command::Reserve { id, lines: line(nothing, 1), ttl_ms: TTL_MS, memo: None }))
    }

    pub(super) fn release(&mut self, attempt: u8) -> OutcomeCode {
        code(&self.apply(Command::Release { id: attempt_id(order(), attempt) }))
    }

    fn authorise(&mut self) -> Authorisation {
        if self.card == Card::Other {
            return Authorisation::Unusable;
        }
        let made = match (&self.payment, self.card) {
            (None, Card::Good) => PaymentState::Authorised,
            (None, Card::Declined) => PaymentState::Declined { reason: String::new() },
            (None, Card::Pending) => PaymentState::Pending,
            (None, Card::Other) => unreachable!("there is one from the first"),
            (Some(PaymentState::Pending), _) => PaymentState::Authorised,
            (Some(known), _) => known.clone(),
        };
        self.made += u32::from(self.payment.is_none());
        self.payment = Some(made.clone());
        match made {
            PaymentState::Authorised | PaymentState::Captured => Authorisation::Authorised { reference: "pi".to_owned() },
            PaymentState::Declined { reason } => Authorisation::Declined { reason },
            PaymentState::Pending => Authorisation::Pending,
            PaymentState::Voided => Authorisation::Unusable,
        }
    }

    fn record(&mut self) {
        self.order = true;
        self.row = self.row.clone().or(Some(PaymentState::Authorised));
    }

    fn capture(&mut self) {
        if self.payment == Some(PaymentState::Authorised) {
            self.payment = Some(PaymentState::Captured);
        }
        if self.payment == Some(PaymentState::Captured) {
            self.row = Some(PaymentState::Captured);
        }
    }

    pub(super) fn void(&mut self) {
        if matches!(self.payment, Some(PaymentState::Authorised | PaymentState::Pending)) {
            self.payment = Some(PaymentState::Voided);
        }
    }

    pub(super) fn standing(&self, attempt: u8) -> Standing {
        match self.ledger.reservation(attempt_id(order(), attempt)).map(|found| found.state) {
            None => Standing::Missing,
            Some(LedgerState::Reserved) => Standing::Held,
            Some(LedgerState::Confirmed) => Standing::Confirmed,
            Some(LedgerState::Acknowledged) => Standing::Acknowledged,
            Some(LedgerState::Released) => Standing::Released,
            Some(LedgerState::Expired) => Standing::Expired,
        }
    }

    fn look_up(&self, attempt: u8) -> Event {
        let state = match self.standing(attempt) {
            Standing::Confirmed => return Event::ReservationFound { same: true },
            Standing::Acknowledged => return Event::ReservationFound { same: true },
            Standing::Missing => None,
            Standing::Held => Some(ReservationState::Reserved),
            Standing::Released => Some(ReservationState::Released),
            Standing::Expired => Some(ReservationState::Expired),
        };
        of_hold(state, Some(true))
    }

    /// What the reconciler does with confirmed reservations and with recorded payments.
    pub(super) fn reconcile_recorded(&mut self) {
        let confirmed = (0..MAX_ATTEMPTS).any(|attempt| self.standing(attempt) == Standing::Confirmed);
        if confirmed {
            self.record();
            self.act(Effect::Acknowledge);
        }
        if self.row == Some(PaymentState::Authorised) {
            self.capture();
        }
    }

    /// Checks that the end is the whole order or nothing; `true`: the whole.
    pub(super) fn complete(&self) -> Result<bool, String> {
        let bought =
            |found: &inventory_raft::stock::Reservation| found.changes.iter().any(|(change, ..)| *change == Change::Confirmed);
        let attempts = (0..MAX_ATTEMPTS).filter_map(|attempt| self.ledger.reservation(attempt_id(order(), attempt)));
        let confirmed = attempts.filter(|found| bought(found)).count();
        let stock = self.ledger.stock(&sku()).unwrap();
        let (on_hand, reserved) = stock.at.iter().fold((0, 0), |sum, (_, at)| (sum.0 + at.on_hand, sum.1 + at.reserved));
        let sold = u64::from(STOCK) - on_hand - u64::from(self.strangers);
        let tell = || Err(format!("{confirmed} confirmed, {sold} sold, {reserved} held, {:?}, {:?}", self.payment, self.row));
        let settled = matches!(self.payment, None | Some(PaymentState::Voided | PaymentState::Declined { .. }));
        match (confirmed, self.order) {
            _ if self.made > 1 || reserved > 0 => tell(),
            (1, true) if sold == u64::from(WANTED) && self.payment == Some(PaymentState::Captured) => match &self.row {
                Some(PaymentState::Captured) => Ok(true),
                _ => tell(),
            },
            (0, false) if sold == 0 && settled && self.row.is_none() => Ok(false),
            _ => tell(),
        }
    }
}

/// As the runner tells that it does not know.
fn unknown(effect: Effect) -> Event {
    match effect {
        Effect::LookUpOrder => Event::OrderUnknown,
        Effect::Price => Event::CatalogAway,
        Effect::Replace => Event::Replaced,
        Effect::Authorise | Effect::LookUpPayment => Event::PaymentUnknown,
        Effect::Record => Event::RecordingFailed,
        Effect::Capture => Event::CaptureTried,
        Effect::Acknowledge => Event::Acknowledged,
        Effect::Void => Event::VoidTried,
        _ => Event::InventoryUnknown,
    }
}
