//! What Stripe answers, and what it means for us. Pure.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use storefront_types::{Money, OrderId};

use super::super::port::{Authorisation, Found, PaymentError, PaymentState};

/// A PaymentIntent, as far as we read it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    status: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    last_payment_error: Option<Detail>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    order_id: Option<String>,
    #[serde(default)]
    refund_id: Option<String>,
}

/// A refund, as far as we read it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    metadata: Metadata,
}

/// A page of the refunds of one intent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refunds {
    pub(super) data: Vec<Refund>,
    #[serde(default)]
    pub(super) has_more: bool,
}

impl Refund {
    pub(super) fn read(body: &Value) -> Option<Self> {
        Self::deserialize(body).ok()
    }

    /// On its way or there; one that failed gave nothing back.
    pub(super) fn is_given(&self) -> bool {
        !matches!(self.status.as_str(), "failed" | "canceled")
    }

    pub(super) fn id_of_ours(&self) -> Option<&str> {
        self.metadata.refund_id.as_deref()
    }
}

/// The `error` member.
#[derive(Clone, Debug, Default, Deserialize)]
struct Detail {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    param: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    payment_intent: Option<Value>,
}

impl Detail {
    fn reason(&self) -> String {
        self.decline_code.clone().or_else(|| self.code.clone()).unwrap_or_else(|| "declined".to_owned())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Search {
    pub(super) data: Vec<Intent>,
    #[serde(default)]
    pub(super) has_more: bool,
    #[serde(default)]
    pub(super) next_page: Option<String>,
}

impl Intent {
    pub(super) fn read(body: &Value) -> Option<Self> {
        Self::deserialize(body).ok()
    }

    pub(super) fn order(&self) -> Option<OrderId> {
        self.metadata.order_id.as_deref()?.parse().ok()
    }

    pub(super) fn found(&self) -> Result<Found, PaymentError> {
        let unknown = |_| PaymentError::Unknown(format!("{} is in a currency that is none: {}", self.id, self.currency));
        let currency = self.currency.to_ascii_uppercase().parse().map_err(unknown)?;
        Ok(Found { reference: self.id.clone(), amount: Money::new(self.amount, currency), state: self.state() })
    }

    pub(super) fn state(&self) -> PaymentState {
        match self.status.as_str() {
            "requires_capture" => PaymentState::Authorised,
            "succeeded" => PaymentState::Captured,
            "canceled" => PaymentState::Voided,
            // An attempt was made and failed, or wants a step that nobody is there to take.
            "requires_payment_method" | "requires_action" => {
                let reason =
                    self.last_payment_error.as_ref().map_or_else(|| "authentication_required".to_owned(), Detail::reason);
                PaymentState::Declined { reason }
            }
            _ => PaymentState::Pending,
        }
    }

    pub(super) fn authorisation(&self) -> Authorisation {
        match self.state() {
            PaymentState::Authorised | PaymentState::Captured => Authorisation::Authorised { reference: self.id.clone() },
            PaymentState::Pending => Authorisation::Pending,
            PaymentState::Voided => Authorisation::Unusable,
            PaymentState::Declined { reason } => Authorisation::Declined { reason },
        }
    }
}

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    detail: Detail,
    /// The intent that it is about, where Stripe says.
    pub(super) intent: Option<Intent>,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, body: &Value) -> Self {
        let detail = Detail::deserialize(&body["error"]).unwrap_or_default();
        let intent = detail.payment_intent.as_ref().and_then(Intent::read);
        Self { status, detail, intent }
    }

    fn code(&self) -> &str {
        self.detail.code.as_deref().unwrap_or_default()
    }

    pub(super) fn is_about_the_state(&self) -> bool {
        matches!(self.code(), "payment_intent_unexpected_state" | "charge_already_captured" | "charge_expired_for_capture")
    }

    /// By type and code, <https://docs.stripe.com/api/errors> and <https://docs.stripe.com/error-codes>.
    pub(super) fn authorisation(&self) -> Authorisation {
        match (self.detail.kind.as_str(), self.code(), self.status.as_u16()) {
            // The first request of this key is still at work.
            (_, "idempotency_key_in_use" | "lock_timeout", _) => Authorisation::Unknown,
            ("idempotency_error", ..) => Authorisation::Unusable,
            ("card_error", ..) => Authorisation::Declined { reason: self.detail.reason() },
            ("invalid_request_error", "resource_missing" | "payment_method_unactivated", _)
                if self.detail.param.as_deref() == Some("payment_method") =>
            {
                Authorisation::Declined { reason: "no_such_payment_method".to_owned() }
            }
            (_, _, 429) => Authorisation::Away,
            (_, _, 401 | 403) => {
                tracing::error!(status = %self.status, "Stripe does not take this shop's key; an operator must look at it");
                Authorisation::Away
            }
            ("invalid_request_error", ..) => {
                tracing::error!(message = self.detail.message, code = self.code(), "Stripe does not understand this request");
                Authorisation::Declined { reason: self.detail.reason() }
            }
            // Stripe may have acted before it failed.
            _ => Authorisation::Unknown,
        }
    }

    pub(super) fn error(&self) -> PaymentError {
        let said = format!("{} {} {}", self.status.as_u16(), self.detail.kind, self.code());
        match (self.detail.kind.as_str(), self.code(), self.status.as_u16()) {
            (_, "idempotency_key_in_use" | "lock_timeout", _) => PaymentError::Unknown(said),
            (_, _, 401 | 403 | 429) => PaymentError::Away(said),
            ("invalid_request_error" | "card_error" | "idempotency_error", ..) => PaymentError::Refused(said),
            _ => PaymentError::Unknown(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16, error: Value) -> Authorisation {
        Refusal::read(StatusCode::from_u16(status).unwrap(), &json!({"error": error})).authorisation()
    }

    #[test]
    fn errors_are_read_by_type_and_code() {
        let declined = |reason: &str| Authorisation::Declined { reason: reason.to_owned() };
        let card = json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"});
        assert_eq!(refused(402, card), declined("insufficient_funds"));
        assert_eq!(refused(402, json!({"type": "card_error", "code": "expired_card"})), declined("expired_card"));
        let missing = json!({"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"});
        assert_eq!(refused(400, missing), declined("no_such_payment_method"));
        assert_eq!(refused(400, json!({"type": "idempotency_error"})), Authorisation::Unusable);
        let in_use = json!({"type": "idempotency_error", "code": "idempotency_key_in_use"});
        assert_eq!(refused(409, in_use), Authorisation::Unknown);
        assert_eq!(refused(429, json!({"type": "invalid_request_error", "code": "rate_limit"})), Authorisation::Away);
        assert_eq!(refused(401, json!({"type": "invalid_request_error"})), Authorisation::Away);
        assert_eq!(refused(500, json!({"type": "api_error"})), Authorisation::Unknown);
        assert_eq!(refused(502, Value::Null), Authorisation::Unknown);
    }

    #[test]
    fn an_intent_stands_where_stripe_says() {
        let state = |status: &str| {
            Intent::read(&json!({"id": "pi_1", "status": status, "amount": 5, "currency": "eur"})).unwrap().state()
        };
        assert_eq!(state("requires_capture"), PaymentState::Authorised);
        assert_eq!(state("succeeded"), PaymentState::Captured);
        assert_eq!(state("canceled"), PaymentState::Voided);
        assert_eq!(state("processing"), PaymentState::Pending);
        assert!(matches!(state("requires_payment_method"), PaymentState::Declined { .. }));
        assert!(Intent::read(&json!({"object": "list"})).is_none());
        let found = Intent::read(&json!({"id": "pi_1", "status": "succeeded", "amount": 5, "currency": "eur"})).unwrap().found();
        assert_eq!(found.unwrap().amount, Money::new(5, "EUR".parse().unwrap()));
    }
}
