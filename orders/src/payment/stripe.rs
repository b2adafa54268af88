//! The adapter for Stripe's PaymentIntents API: manual capture, one intent for each order.
//!
//! The order's id is the idempotency key of making the intent: asking again within Stripe's 24 hours answers what the first time did, word for
//! word, so one that was being processed then is looked at by its own id. A refund is looked for before it is made, for its key is forgotten
//! after that day.
//! Capture and cancel carry no key: they are safe to repeat by the intent's own state, and a key would keep a 500 for a day.

mod reply;

use http::{HeaderValue, Method, StatusCode, request::Builder};
use serde_json::Value;
use storefront_types::{Money, OrderId};
use time::OffsetDateTime;
use uuid::Uuid;

use self::reply::{Intent, Refund, Refunds, Refusal, Search};
use super::{
    http::{Client, Failed},
    port::{Authorisation, Captured, Charge, Found, PaymentError, PaymentState, Uncaptured, Voided},
};

/// What an operator gets without another base URL.
pub(crate) const BASE: &str = "https://api.stripe.com";

/// The API is pinned: an account's default may change under a running shop.
const VERSION: &str = "2024-06-20";

/// Refunds of one page, and pages looked through: an order has at most 500 transitions, so at most so many refunds.
const REFUND_PAGE: &str = "100";
const MAX_REFUND_PAGES: usize = 5;

#[derive(Clone)]
pub(crate) struct Stripe {
    http: Client,
    /// Never logged, never printed.
    key: String,
}

type Called<T> = Result<T, PaymentError>;

impl Stripe {
    pub(crate) fn new(base: &str, key: String) -> anyhow::Result<Self> {
        anyhow::ensure!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()), "the key file has no API key");
        let plain = base.starts_with("http://127.0.0.1") || base.starts_with("http://localhost");
        anyhow::ensure!(base.starts_with("https://") || plain, "the key goes over https only; {base} is not");
        Ok(Self { http: Client::to(base)?, key })
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.key)).unwrap_or(HeaderValue::from_static(""));
        bearer.set_sensitive(true);
        self.http.request(method, path).header("authorization", bearer).header("stripe-version", VERSION)
    }

    async fn post(&self, path: &str, key: Option<&str>, form: &[(&str, &str)]) -> Result<(StatusCode, Value), Failed> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.http.send(request, body).await
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(StatusCode, Value), Failed> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.http.send(self.request(Method::GET, &format!("{path}?{query}")), "").await
    }

    pub(super) async fn authorise(&self, charge: &Charge) -> Authorisation {
        let (amount, order) = (charge.amount.amount().to_string(), charge.order.to_string());
        let currency = charge.amount.currency().as_str().to_ascii_lowercase();
        let form = [
            ("amount", amount.as_str()),
            ("currency", currency.as_str()),
            ("payment_method", charge.method.as_str()),
            ("payment_method_types[]", "card"),
            ("capture_method", "manual"),
            ("confirm", "true"),
            // Nobody is there to take a further step: a card that wants one is declined.
            ("error_on_requires_action", "true"),
            ("metadata[order_id]", order.as_str()),
        ];
        match self.post("/v1/payment_intents", Some(&order), &form).await {
            Ok((status, body)) if status.is_success() => match Intent::read(&body) {
                Some(intent) if intent.state() == PaymentState::Pending => self.as_of_now(&intent).await,
                Some(intent) => intent.authorisation(),
                None => Authorisation::Unknown,
            },
            Ok((status, body)) => Refusal::read(status, &body).authorisation(),
            Err(failed) => failed.into(),
        }
    }

    /// Of an intent that was pending when it was made.
    async fn as_of_now(&self, made: &Intent) -> Authorisation {
        match self.get(&intent_path(&made.id, ""), &[]).await {
            Ok((status, body)) if status.is_success() => {
                Intent::read(&body).map_or(Authorisation::Unknown, |intent| intent.authorisation())
            }
            // It is known to be there.
            Ok(_) | Err(_) => Authorisation::Pending,
        }
    }

    /// Without a reference by search, which may lag behind by a minute: for what is looked after later. A checkout asks `authorise`
    /// again instead.
    pub(super) async fn find(&self, order: OrderId, reference: Option<&str>) -> Called<Option<Found>> {
        let Some(reference) = reference else { return self.find_by_search(order).await };
        let (status, body) = self.get(&intent_path(reference, ""), &[]).await?;
        match Intent::read(&body).filter(|_| status.is_success()) {
            Some(intent) if intent.order() == Some(order) => intent.found().map(Some),
            Some(_) => Ok(None),
            None if status == StatusCode::NOT_FOUND => Ok(None),
            None => Err(Refusal::read(status, &body).error()),
        }
    }

    async fn find_by_search(&self, order: OrderId) -> Called<Option<Found>> {
        let query = format!("metadata['order_id']:'{order}'");
        let found = self.search(&query, 100, None).await?;
        // More than one: the key was forgotten after a day and the order was asked for again. The live one counts.
        let live = |intent: &&Intent| matches!(intent.state(), PaymentState::Captured | PaymentState::Authorised);
        let intent = found.data.iter().find(live).or_else(|| found.data.first());
        intent.map(Intent::found).transpose()
    }

    pub(super) async fn capture(&self, reference: &str) -> Called<Captured> {
        let (status, body) = self.post(&intent_path(reference, "/capture"), None, &[]).await?;
        match Self::after(status, &body)? {
            PaymentState::Captured => Ok(Captured::Done),
            PaymentState::Pending | PaymentState::Authorised => Err(PaymentError::Unknown("not captured yet".to_owned())),
            PaymentState::Voided | PaymentState::Declined { .. } => Ok(Captured::Never),
        }
    }

    pub(super) async fn void(&self, reference: &str) -> Called<Voided> {
        let (status, body) = self.post(&intent_path(reference, "/cancel"), None, &[]).await?;
        match Self::after(status, &body)? {
            PaymentState::Captured => Ok(Voided::AlreadyCaptured),
            PaymentState::Pending | PaymentState::Authorised => Err(PaymentError::Unknown("not cancelled yet".to_owned())),
            PaymentState::Voided | PaymentState::Declined { .. } => Ok(Voided::Done),
        }
    }

    /// The state after a change, also where the change was refused because of the state.
    fn after(status: StatusCode, body: &Value) -> Called<PaymentState> {
        if status.is_success() {
            return Intent::read(body).map(|intent| intent.state()).ok_or_else(|| PaymentError::Unknown(status.to_string()));
        }
        let refusal = Refusal::read(status, body);
        match &refusal.intent {
            Some(intent) if refusal.is_about_the_state() => Ok(intent.state()),
            _ => Err(refusal.error()),
        }
    }

    pub(super) async fn refund(&self, reference: &str, id: Uuid, amount: Money) -> Called<()> {
        let (amount, id) = (amount.amount().to_string(), id.to_string());
        if self.is_refunded(reference, &id).await? {
            return Ok(());
        }
        let form = [("payment_intent", reference), ("amount", &amount), ("metadata[refund_id]", &id)];
        let (status, body) = self.post("/v1/refunds", Some(&id), &form).await?;
        match Refund::read(&body).filter(|_| status.is_success()) {
            Some(made) if made.is_given() => Ok(()),
            Some(made) => Err(PaymentError::Refused(format!("the refund is {}", made.status))),
            None if status.is_success() => Err(PaymentError::Unknown(status.to_string())),
            None => Err(Refusal::read(status, &body).error()),
        }
    }

    async fn is_refunded(&self, reference: &str, id: &str) -> Called<bool> {
        let mut after: Option<String> = None;
        for _ in 0..MAX_REFUND_PAGES {
            let mut query = vec![("payment_intent", reference), ("limit", REFUND_PAGE)];
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            let (status, body) = self.get("/v1/refunds", &query).await?;
            if !status.is_success() {
                return Err(Refusal::read(status, &body).error());
            }
            let page: Refunds = serde_json::from_value(body).map_err(|error| PaymentError::Unknown(error.to_string()))?;
            if page.data.iter().any(|made| made.is_given() && made.id_of_ours() == Some(id)) {
                return Ok(true);
            }
            after = page.data.last().filter(|_| page.has_more).map(|last| last.id.clone());
            if after.is_none() {
                return Ok(false);
            }
        }
        Err(PaymentError::Refused("the payment has more refunds than any order has returns".to_owned()))
    }

    pub(super) async fn uncaptured(&self, before: OffsetDateTime, limit: u32, cursor: Option<&str>) -> Called<Uncaptured> {
        let query = format!("status:'requires_capture' AND created<{}", before.unix_timestamp());
        let found = self.search(&query, limit, cursor).await?;
        let next_cursor = found.next_page.filter(|_| found.has_more);
        Ok(Uncaptured { items: found.data.iter().filter_map(|it| Some((it.order()?, it.id.clone()))).collect(), next_cursor })
    }

    async fn search(&self, query: &str, limit: u32, page: Option<&str>) -> Called<Search> {
        let limit = limit.to_string();
        let mut pairs = vec![("query", query), ("limit", limit.as_str())];
        pairs.extend(page.map(|page| ("page", page)));
        let (status, body) = self.get("/v1/payment_intents/search", &pairs).await?;
        match status.is_success() {
            true => serde_json::from_value(body).map_err(|error| PaymentError::Unknown(error.to_string())),
            false => Err(Refusal::read(status, &body).error()),
        }
    }
}

/// References come from Stripe and from our own records; one that could lead elsewhere is not followed.
fn intent_path(reference: &str, verb: &str) -> String {
    let plain: String = reference.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    format!("/v1/payment_intents/{plain}{verb}")
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").finish_non_exhaustive()
    }
}
