//! The sandbox's payments: in memory, and appended to a file after each change, so that they outlive the process.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
};

use storefront_types::{Money, OrderId};

use super::{
    cards::{Made, PENDING, card},
    wire::{AuthoriseRequest, Payment, Refund, RefundRequest, Stage},
};

/// Payments kept; the oldest settled ones would have to be archived first in a provider that is not a sandbox.
const MAX_PAYMENTS: usize = 1_000_000;

/// Refunds of one payment.
const MAX_REFUNDS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BookError {
    #[error("there is no payment of this order")]
    NotFound,
    #[error("the order has a payment of another amount or method")]
    Conflict,
    #[error("not possible in the payment's state, or more than was captured")]
    Refused,
    #[error("the book is full or cannot be written")]
    Full,
}

pub(super) struct Book {
    payments: BTreeMap<OrderId, Payment>,
    file: Option<File>,
}

impl Book {
    /// Reads what an earlier process left; a line that a crash cut short is passed over.
    pub(super) fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let mut payments = BTreeMap::new();
        let Some(path) = path else { return Ok(Self { payments, file: None }) };
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        for line in BufReader::new(file.try_clone()?).lines() {
            if let Ok(payment) = serde_json::from_str::<Payment>(&line?) {
                payments.insert(payment.order_id, payment);
            }
        }
        // A cut line must not swallow the next one.
        (&file).write_all(b"\n")?;
        Ok(Self { payments, file: Some(file) })
    }

    fn keep(&mut self, payment: Payment) -> Result<Payment, BookError> {
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&payment).map_err(|_| BookError::Full)? + "\n";
            file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|_| BookError::Full)?;
        }
        self.payments.insert(payment.order_id, payment.clone());
        Ok(payment)
    }

    /// Makes the payment, or finds the one made before; `None`: this card makes none. Asking again counts as an ask.
    pub(super) fn authorise(&mut self, asked: &AuthoriseRequest, now_ms: i64) -> Result<Option<Payment>, BookError> {
        if let Some(known) = self.find(asked.order_id, now_ms)? {
            if (known.amount, &known.method) != (asked.amount, &asked.method) {
                return Err(BookError::Conflict);
            }
            return self.keep(Payment { asks: known.asks + 1, ..known }).map(Some);
        }
        if self.payments.len() >= MAX_PAYMENTS {
            return Err(BookError::Full);
        }
        let (stage, reason) = match card(&asked.method).map(|card| card.made) {
            Some(Made::Authorised) => (Stage::Authorised, None),
            Some(Made::Pending) => (Stage::Pending, None),
            Some(Made::Declined(reason)) => (Stage::Declined, Some(reason)),
            Some(Made::Nothing) => return Ok(None),
            None => (Stage::Declined, Some("no_such_payment_method")),
        };
        let made = Payment {
            order_id: asked.order_id,
            reference: format!("sbx_{}", asked.order_id.uuid().simple()),
            amount: asked.amount,
            method: asked.method.clone(),
            stage,
            reason: reason.map(str::to_owned),
            refunds: Vec::new(),
            made_at_ms: now_ms,
            asks: 1,
        };
        self.keep(made).map(Some)
    }

    /// The payment as of now: what was pending long enough is authorised.
    pub(super) fn find(&mut self, order: OrderId, now_ms: i64) -> Result<Option<Payment>, BookError> {
        let Some(found) = self.payments.get(&order).cloned() else { return Ok(None) };
        let over = i128::from(now_ms - found.made_at_ms) >= i128::try_from(PENDING.as_millis()).unwrap_or(i128::MAX);
        match found.stage {
            Stage::Pending if over => self.keep(Payment { stage: Stage::Authorised, ..found }).map(Some),
            _ => Ok(Some(found)),
        }
    }

    fn known(&mut self, order: OrderId, now_ms: i64) -> Result<Payment, BookError> {
        self.find(order, now_ms)?.ok_or(BookError::NotFound)
    }

    /// What was voided or declined stays so.
    pub(super) fn capture(&mut self, order: OrderId, now_ms: i64) -> Result<Payment, BookError> {
        let known = self.known(order, now_ms)?;
        match known.stage {
            Stage::Authorised => self.keep(Payment { stage: Stage::Captured, ..known }),
            _ => Ok(known),
        }
    }

    /// What was captured or declined stays so.
    pub(super) fn void(&mut self, order: OrderId, now_ms: i64) -> Result<Payment, BookError> {
        let known = self.known(order, now_ms)?;
        match known.stage {
            Stage::Authorised | Stage::Pending => self.keep(Payment { stage: Stage::Voided, ..known }),
            _ => Ok(known),
        }
    }

    /// Once for each id, and never more than was captured.
    pub(super) fn refund(&mut self, order: OrderId, asked: &RefundRequest, now_ms: i64) -> Result<Payment, BookError> {
        let mut known = self.known(order, now_ms)?;
        if known.refunds.iter().any(|made| made.id == asked.id) {
            return Ok(known);
        }
        let zero = Money::new(0, known.amount.currency());
        let sum = known.refunds.iter().try_fold(asked.amount, |sum, made| sum.checked_add(made.amount));
        let fits = sum.is_ok_and(|sum| zero.currency() == sum.currency() && sum.amount() <= known.amount.amount());
        if known.stage != Stage::Captured || !fits || asked.amount.amount() <= 0 || known.refunds.len() >= MAX_REFUNDS {
            return Err(BookError::Refused);
        }
        known.refunds.push(Refund { id: asked.id, amount: asked.amount });
        self.keep(known)
    }

    /// Authorised ones made before a time, in order of their orders' ids, after a cursor.
    pub(super) fn uncaptured(&mut self, before_ms: i64, after: Option<OrderId>, limit: usize, now_ms: i64) -> Vec<Payment> {
        let pending: Vec<OrderId> =
            self.payments.values().filter(|payment| payment.stage == Stage::Pending).map(|payment| payment.order_id).collect();
        for order in pending {
            let _ = self.find(order, now_ms);
        }
        let open = self.payments.values().filter(|payment| payment.stage == Stage::Authorised);
        let mine = open.filter(|payment| payment.made_at_ms <= before_ms && after.is_none_or(|after| payment.order_id > after));
        mine.take(limit).cloned().collect()
    }

    /// What is still pending.
    pub(super) fn pending(&self) -> Vec<OrderId> {
        self.payments.values().filter(|payment| payment.stage == Stage::Pending).map(|payment| payment.order_id).collect()
    }
}
