//! The stock of a product as server-sent events, for open pages.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use catalog_api::Product;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use storefront_service::{Context, ProblemResponse};
use storefront_types::{Problem, ProblemType};

use crate::{
    live::{MAX_VARIANTS, ProductStock, Refused},
    protect::Client,
    serve::plain,
    storefront::Storefront,
};

pub(super) const PATH: &str = "/v1/products/{id_or_handle}/stock";

/// Seconds after which a page may ask again when there was no room for it.
const ROOM_AFTER_S: HeaderValue = HeaderValue::from_static("10");

/// The stock of a product's variants, now and whenever it changes, as server-sent events.
///
/// Events have the name `stock`; each tells of all variants, so the newest is enough. Equal ids tell the same: who comes back with `Last-Event-ID`
/// hears only what is new. A stream ends after a quarter of an hour, or when the edge stops; ask again.
#[utoipa::path(
    get,
    path = PATH,
    params(
        ("id_or_handle" = String, Path),
        ("last-event-id" = Option<String>, Header, description = "Id of the last event that was heard"),
    ),
    responses(
        (status = 200, body = ProductStock, content_type = "text/event-stream"),
        (status = 404, description = "There is no such product"),
        (status = 429, description = "As many pages of one client are open as this edge tells; `Retry-After` says when to ask again"),
        (status = 503, description = "As many pages are open as this edge tells; `Retry-After` says when to ask again"),
    )
)]
pub(crate) async fn stream(
    State(shop): State<Arc<Storefront>>,
    Context(context): Context,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // The name as it came: what the product itself is kept under.
    let product = uri.path().strip_suffix("/stock").unwrap_or_default();
    let answer = match shop.fetch(&context, product, &HeaderMap::new()).await {
        Ok(answer) if answer.status == StatusCode::OK => answer,
        Ok(other) => return plain(other),
        Err(problem) => return ProblemResponse(problem).into_response(),
    };
    let Ok(product) = serde_json::from_slice::<Product>(&answer.body) else {
        return ProblemResponse(Problem::new(ProblemType::BadGateway)).into_response();
    };
    let variants = product.variants.into_iter().take(MAX_VARIANTS).map(|variant| (variant.sku.to_string(), variant.stock));
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    match shop.live.subscribe(client.0, &product.id.to_string(), variants.collect(), last) {
        Ok(events) => {
            let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
            (headers, Body::from_stream(events)).into_response()
        }
        Err(refused) => {
            let (kind, detail) = match refused {
                Refused::Full => (ProblemType::Unavailable, "as many pages are open as this edge tells of changes"),
                Refused::TooMany => {
                    (ProblemType::TooManyRequests, "as many pages of your address are open as are told of changes")
                }
            };
            let detail = format!("{detail}; close one, or come back later: the page itself is served as always");
            let mut response = ProblemResponse(Problem::new(kind).detail(detail)).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, ROOM_AFTER_S);
            response
        }
    }
}
