//! Clients that talk to the inventory itself, each about one thing at a time, over SKUs of their own.

use std::sync::{Mutex, PoisonError};

use inventory_api::{ClientError, InventoryClient, Outcome, OutcomeCode};
use storefront_types::Sku;

use super::Meter;
use crate::history::{Op, Operation, Out, Writer};

/// What SKUs of such clients begin with. No product has them and no order names them, so the audit leaves them out; the history proves them.
pub const OWN_SKUS: &str = "chaos-own-";

/// What every client of the inventory shares.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) client: InventoryClient,
    pub(super) skus: Vec<Sku>,
    writer: Option<Writer<Operation>>,
    idle: Mutex<Vec<u64>>,
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) client: u64,
    pub(super) op: Op,
    pub(super) sku: &'a Sku,
    pub(super) id: String,
    pub(super) qty: u64,
}

/// What was heard, in the history's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) out: Out,
    pub(super) value: Option<u64>,
    pub(super) ver: Option<u64>,
}

impl Crew {
    /// `clients`: how many at once.
    pub(super) fn new(client: InventoryClient, skus: Vec<Sku>, writer: Writer<Operation>, clients: u64) -> Self {
        Self { client, skus, writer: Some(writer), idle: Mutex::new((1..=clients).rev().collect()) }
    }

    /// The same crew, recorded elsewhere; without a writer the last one ends.
    pub(super) fn write_to(self, writer: Option<Writer<Operation>>) -> Self {
        Self { writer, ..self }
    }

    /// A client that has nothing to do.
    pub(super) fn hire(&self) -> Option<u64> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn dismiss(&self, client: u64) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    /// Writes a line down.
    pub(super) async fn record(&self, meter: &Meter, ask: Ask<'_>, call: u64, answer: Answer) {
        let Ask { client, op, sku, id, qty } = ask;
        let Answer { out, value, ver } = answer;
        let ret = (out != Out::Unknown).then(|| meter.now());
        let line = Operation { client, op, sku: sku.to_string(), id, qty, call, ret, out, value, ver };
        if let Some(writer) = &self.writer {
            writer.write(line).await;
        }
    }
}

/// A command's outcome for one SKU.
pub(super) fn answer(op: Op, sku: &Sku, heard: Result<Outcome, ClientError>) -> Answer {
    let outcome = match heard {
        Ok(outcome) => outcome,
        Err(ClientError::OutcomeUnknown { .. }) => return Answer { out: Out::Unknown, value: None, ver: None },
        Err(_) => return Answer { out: Out::Fail, value: None, ver: None },
    };
    let line = outcome.lines.iter().find(|line| line.sku == *sku);
    let ver = line.map(|line| line.version);
    let nothing = |out| Answer { out, value: None, ver: None };
    match outcome.outcome {
        OutcomeCode::Ok => Answer { out: Out::Ok, value: None, ver },
        OutcomeCode::InsufficientStock => Answer { out: Out::Insufficient, value: line.and_then(|line| line.available), ver },
        OutcomeCode::NotFound | OutcomeCode::UnknownSku => nothing(Out::NotFound),
        // A hold that was given back is over as one that ended by itself.
        OutcomeCode::Expired => nothing(Out::Expired),
        OutcomeCode::AlreadyReleased if op == Op::Confirm => nothing(Out::Expired),
        OutcomeCode::AlreadyConfirmed
        | OutcomeCode::AlreadyReleased
        | OutcomeCode::UnknownLocation
        | OutcomeCode::ConflictingDuplicate
        | OutcomeCode::IdTooOld
        | OutcomeCode::IdFromFuture
        | OutcomeCode::TooLarge
        | OutcomeCode::Overflow
        | OutcomeCode::StaleCount => nothing(Out::Fail),
    }
}
