//! Forms as browsers send them.

use std::sync::Arc;

use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use orders_api::{Address, CheckoutRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use storefront_types::{CallContext, Problem, ProblemType};

use super::security;
use crate::{serve::take_body, storefront::Storefront, upstream::Answer};

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct LineForm {
    pub(super) sku: String,
    pub(super) quantity: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RegisterForm {
    pub(super) email: String,
    pub(super) phone_number: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct CheckoutForm {
    /// Made with the page, so that sending the form twice buys once.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) line1: String,
    #[serde(default)]
    pub(super) line2: String,
    pub(super) city: String,
    #[serde(default)]
    pub(super) region: String,
    pub(super) postal_code: String,
    pub(super) country: String,
    /// The payment provider's id of the shopper's card or the like; asked for where `orders` wants it.
    #[serde(default)]
    pub(super) payment_method: String,
}

impl CheckoutForm {
    pub(super) fn request(&self) -> CheckoutRequest {
        let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let address = Address {
            name: self.name.trim().to_owned(),
            line1: self.line1.trim().to_owned(),
            line2: given(&self.line2),
            city: self.city.trim().to_owned(),
            region: given(&self.region),
            postal_code: self.postal_code.trim().to_owned(),
            country: self.country.trim().to_uppercase(),
        };
        CheckoutRequest { delivery_address: address, payment_method: given(&self.payment_method) }
    }
}

/// A form of this shop's own page, and the headers it came with.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<(HeaderMap, T), Problem> {
    security::same_site(&request)?;
    let (parts, body) = take_body(request).await?;
    let form = serde_urlencoded::from_bytes(&body)
        .map_err(|error| Problem::new(ProblemType::InvalidRequest).detail(error.to_string()))?;
    Ok((parts.headers, form))
}

/// JSON in place of the form, as the API takes it.
pub(super) fn json_headers(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(header::ACCEPT_ENCODING);
    headers
}

pub(super) async fn post(
    shop: &Arc<Storefront>,
    context: &CallContext,
    path: &str,
    headers: &HeaderMap,
    body: &impl Serialize,
) -> Result<Answer, Problem> {
    let bytes = Bytes::from(serde_json::to_vec(body).unwrap_or_default());
    shop.at_home(context, (Method::POST, path), &json_headers(headers), bytes).await
}

/// The problem document of an answer.
pub(super) fn problem_of(answer: &Answer) -> Problem {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| Problem::new(ProblemType::BadGateway))
}

/// Fields that were refused, under the names the form has.
pub(super) fn errors_of(problem: &Problem) -> Vec<(String, String)> {
    let plain = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    problem.invalid_params.iter().map(|param| (plain(&param.name), param.reason.clone())).collect()
}
