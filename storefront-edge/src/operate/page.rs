//! The page itself: one document, with nothing from elsewhere.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use uuid::Uuid;

use storefront_service::ProblemResponse;
use storefront_types::ProblemType;

const PAGE: &str = include_str!("../../assets/operate.html");

/// Where the page has the number that its own script and style carry.
const NONCE: &str = "NONCE";

/// Only the page's own script and style run, it speaks to this edge alone, and nobody may frame it.
pub(super) async fn page() -> Result<Response, ProblemResponse> {
    let nonce = Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy).map_err(|_| ProblemType::Internal)?;
    let mut response = Html(PAGE.replace(NONCE, &nonce)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
