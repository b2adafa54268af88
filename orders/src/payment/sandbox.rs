//! The adapter for the sandbox provider, a process of ours whose cards decline, time out, answer late, or are lost.
//!
//! `wire` is what both sides say, `book` and `server` are the provider itself.

mod book;
mod cards;
mod hooks;
mod server;
mod wire;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use storefront_types::{Money, OrderId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    http::{Client, Failed},
    port::{Authorisation, Captured, Charge, Found, PaymentError, PaymentState, Uncaptured, Voided},
};
pub use server::{SandboxArgs, serve_sandbox};
use wire::{AuthoriseRequest, Payment, PaymentsPage, RefundRequest, Stage};

#[derive(Clone)]
pub(crate) struct Sandbox {
    http: Client,
}

impl Sandbox {
    /// `base`: `http://host:port`.
    pub(crate) fn new(base: &str) -> anyhow::Result<Self> {
        Ok(Self { http: Client::to(base)? })
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<(StatusCode, Value), Failed> {
        let body = serde_json::to_vec(body).map_err(|error| Failed::NotSent(error.to_string()))?;
        let request = self.http.request(Method::POST, path).header("content-type", "application/json");
        self.http.send(request, body).await
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Value), Failed> {
        self.http.send(self.http.request(Method::GET, path), "").await
    }

    pub(super) async fn authorise(&self, charge: &Charge) -> Authorisation {
        let body = AuthoriseRequest { order_id: charge.order, amount: charge.amount, method: charge.method.clone() };
        match self.post("/v1/payments", &body).await {
            Ok((StatusCode::OK, body)) => serde_json::from_value(body).map_or(Authorisation::Unknown, authorisation),
            Ok((StatusCode::CONFLICT, _)) => Authorisation::Unusable,
            Ok((status, body)) if status.is_client_error() => {
                tracing::error!(%status, %body, "the sandbox does not understand this request");
                Authorisation::Declined { reason: "invalid_request".to_owned() }
            }
            Ok(_) => Authorisation::Unknown,
            Err(failed) => failed.into(),
        }
    }

    pub(super) async fn find(&self, order: OrderId) -> Result<Option<Found>, PaymentError> {
        let (status, body) = self.get(&at(order, "")).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => payment(status, body)
                .map(|found| Some(Found { state: state(&found), amount: found.amount, reference: found.reference })),
        }
    }

    pub(super) async fn capture(&self, order: OrderId) -> Result<Captured, PaymentError> {
        let after = self.change(order, "/capture", &Value::Null).await?;
        Ok(if after.stage == Stage::Captured { Captured::Done } else { Captured::Never })
    }

    pub(super) async fn void(&self, order: OrderId) -> Result<Voided, PaymentError> {
        let after = self.change(order, "/void", &Value::Null).await?;
        Ok(if after.stage == Stage::Captured { Voided::AlreadyCaptured } else { Voided::Done })
    }

    pub(super) async fn refund(&self, order: OrderId, id: Uuid, amount: Money) -> Result<(), PaymentError> {
        self.change(order, "/refunds", &RefundRequest { id, amount }).await.map(|_| ())
    }

    pub(super) async fn uncaptured(
        &self,
        before: OffsetDateTime,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Uncaptured, PaymentError> {
        let before_ms = (before.unix_timestamp_nanos() / 1_000_000).to_string();
        let mut query = vec![("before_ms", before_ms), ("limit", limit.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let (status, body) = self.get(&format!("/v1/payments?{query}")).await?;
        if status != StatusCode::OK {
            return Err(unexpected(status, &body));
        }
        let page: PaymentsPage = serde_json::from_value(body).map_err(|error| PaymentError::Unknown(error.to_string()))?;
        let items = page.items.into_iter().map(|payment| (payment.order_id, payment.reference)).collect();
        Ok(Uncaptured { items, next_cursor: page.next_cursor })
    }

    async fn change(&self, order: OrderId, verb: &str, body: &impl Serialize) -> Result<Payment, PaymentError> {
        let (status, body) = self.post(&at(order, verb), body).await?;
        payment(status, body)
    }
}

fn at(order: OrderId, verb: &str) -> String {
    format!("/v1/payments/{order}{verb}")
}

fn payment(status: StatusCode, body: Value) -> Result<Payment, PaymentError> {
    match status {
        StatusCode::OK => serde_json::from_value(body).map_err(|error| PaymentError::Unknown(error.to_string())),
        _ => Err(unexpected(status, &body)),
    }
}

fn unexpected(status: StatusCode, body: &Value) -> PaymentError {
    let said = format!("{status} {body}");
    if status.is_client_error() { PaymentError::Refused(said) } else { PaymentError::Unknown(said) }
}

fn state(payment: &Payment) -> PaymentState {
    match payment.stage {
        Stage::Pending => PaymentState::Pending,
        Stage::Authorised => PaymentState::Authorised,
        Stage::Captured => PaymentState::Captured,
        Stage::Voided => PaymentState::Voided,
        Stage::Declined => PaymentState::Declined { reason: payment.reason.clone().unwrap_or_default() },
    }
}

fn authorisation(payment: Payment) -> Authorisation {
    match state(&payment) {
        PaymentState::Pending => Authorisation::Pending,
        // Captured: the order is recorded already, which Confirm will find out.
        PaymentState::Authorised | PaymentState::Captured => Authorisation::Authorised { reference: payment.reference },
        PaymentState::Voided => Authorisation::Unusable,
        PaymentState::Declined { reason } => Authorisation::Declined { reason },
    }
}
