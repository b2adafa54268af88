//! Routes over the read model, with the validators and tags that a cache needs.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use catalog_api::{
    CatalogChange, Category, MAX_PRICE_SKUS, PriceQuotes, PricesRequest, Product, ProductPage, SURROGATE_KEY_HEADER, paths,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use storefront_service::{ProblemResponse, StrictJson, StrictQuery};
use storefront_types::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, Problem, ProblemType};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{
    model::Model,
    query::{self, ProductsQuery},
};
use crate::{feed::Feed, image};

/// Browsers look again after 5 s. Edges keep an answer for a minute, because they are told of every change at once; they may show it a
/// little longer while they ask, and for a day when the catalog is away.
const CACHEABLE: &str = "public, max-age=5, s-maxage=60, stale-while-revalidate=30, stale-if-error=86400";

/// What is not there may be there soon.
const CACHEABLE_BRIEFLY: &str = "public, max-age=2";

/// A sign of life on the change feed.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A reader of the feed that takes nothing for so long is dropped.
const SLOW_READER: Duration = Duration::from_secs(10);

/// Shared by the routes and by what keeps the model up.
#[derive(Clone)]
pub(crate) struct Catalog {
    pub(crate) model: Arc<RwLock<Model>>,
    pub(crate) feed: Arc<Feed>,
    /// When the model last agreed with the database.
    pub(crate) agreed: Arc<RwLock<OffsetDateTime>>,
    pub(crate) stopping: CancellationToken,
}

impl Catalog {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Model> {
        self.model.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agrees_now(&self) {
        *self.agreed.write().unwrap_or_else(PoisonError::into_inner) = OffsetDateTime::now_utc();
    }
}

pub(crate) fn router(catalog: Catalog) -> Router {
    Router::new()
        .route(paths::PRODUCTS, get(products))
        .route(paths::PRODUCT, get(product))
        .route(paths::CATEGORIES, get(categories))
        .route(paths::PRICES, post(prices))
        .route(paths::CHANGES, get(changes))
        .route(paths::IMAGE, get(image::serve))
        .route("/openapi.json", get(|| async { Json(crate::openapi()) }))
        .with_state(catalog)
}

/// A cacheable answer: strong `ETag` over the bytes, `304` when the caller has them (RFC 9110 section 13.1.2).
pub(crate) fn cacheable(headers: &HeaderMap, media_type: &'static str, body: Vec<u8>, tags: &str) -> Response {
    let etag = format!("\"{}\"", &blake3::hash(&body).to_hex()[..32]);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|list| list.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    let unchanged = known.any(|tag| tag == etag || tag == "*");
    let mut response = match unchanged {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, media_type)], body).into_response(),
    };
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHEABLE));
    for (name, value) in [(header::ETAG, etag.as_str()), (header::HeaderName::from_static(SURROGATE_KEY_HEADER), tags)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.insert(name, value);
        }
    }
    response
}

fn cacheable_json(headers: &HeaderMap, body: &impl Serialize, tags: &str) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => cacheable(headers, "application/json", bytes, tags),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            ProblemResponse::from(ProblemType::Internal).into_response()
        }
    }
}

pub(crate) fn not_found() -> Response {
    let mut response = ProblemResponse::from(ProblemType::NotFound).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHEABLE_BRIEFLY));
    response.headers_mut().insert(SURROGATE_KEY_HEADER, HeaderValue::from_static("listing"));
    response
}

fn invalid(name: &str, reason: &str) -> Response {
    let problem = Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}")).invalid_param(name, reason);
    ProblemResponse(problem).into_response()
}

/// Search and browse.
#[utoipa::path(get, path = paths::PRODUCTS, params(ProductsQuery), responses((status = 200, body = ProductPage)))]
pub(crate) async fn products(
    State(catalog): State<Catalog>,
    headers: HeaderMap,
    StrictQuery(query): StrictQuery<ProductsQuery>,
) -> Response {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE_LIMIT);
    if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
        return invalid("limit", "between 1 and 200");
    }
    let page = match query::page(&catalog.read(), &query, limit as usize) {
        Ok(page) => page,
        Err(query::BadCursor) => {
            return invalid("cursor", "give back the `next_cursor` of the page before, or begin again without");
        }
    };
    let mut tags = String::from("listing");
    for item in &page.items {
        tags.push_str(&format!(" product:{}", item.id));
    }
    cacheable_json(&headers, &page, &tags)
}

/// One product, by id or handle.
#[utoipa::path(get, path = paths::PRODUCT, params(("id_or_handle" = String, Path)), responses((status = 200, body = Product)))]
pub(crate) async fn product(State(catalog): State<Catalog>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let found = {
        let model = catalog.read();
        model.find(&name).map(|found| model.product(found))
    };
    match found {
        Some(product) => cacheable_json(&headers, &product, &format!("product:{}", product.id)),
        None => not_found(),
    }
}

/// All categories, in order of slug.
#[utoipa::path(get, path = paths::CATEGORIES, responses((status = 200, body = Vec<Category>)))]
pub(crate) async fn categories(State(catalog): State<Catalog>, headers: HeaderMap) -> Response {
    let categories = catalog.read().categories();
    cacheable_json(&headers, &categories, "listing")
}

/// What SKUs cost now. Internal.
#[utoipa::path(post, path = paths::PRICES, request_body = PricesRequest, responses((status = 200, body = PriceQuotes)))]
pub(crate) async fn prices(State(catalog): State<Catalog>, StrictJson(body): StrictJson<PricesRequest>) -> Response {
    if body.skus.len() > MAX_PRICE_SKUS {
        return invalid("skus", "at most 256 are taken");
    }
    let as_of = *catalog.agreed.read().unwrap_or_else(PoisonError::into_inner);
    let model = catalog.read();
    let quotes = body.skus.iter().filter_map(|sku| model.quote(sku)).collect();
    ([(header::CACHE_CONTROL, "no-store")], Json(PriceQuotes { quotes, as_of })).into_response()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesQuery {
    epoch: Option<String>,
    after: Option<u64>,
}

/// Purges by tag as newline-delimited JSON. Internal.
#[utoipa::path(get, path = paths::CHANGES, params(ChangesQuery), responses((status = 200, body = CatalogChange)))]
pub(crate) async fn changes(State(catalog): State<Catalog>, StrictQuery(query): StrictQuery<ChangesQuery>) -> Response {
    let (sender, lines) = tokio::sync::mpsc::channel(8);
    tokio::spawn(follow(catalog, query.epoch, query.after.unwrap_or_default(), sender));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(lines))).into_response()
}

type Chunk = Result<Bytes, std::convert::Infallible>;

async fn follow(catalog: Catalog, mut epoch: Option<String>, mut sequence: u64, reader: tokio::sync::mpsc::Sender<Chunk>) {
    let mut head = catalog.feed.subscribe();
    let mut idle = false;
    loop {
        let mut changes = catalog.feed.since(epoch.as_deref(), sequence);
        if idle && changes.is_empty() {
            changes.push(catalog.feed.heartbeat());
        }
        if let Some(last) = changes.last() {
            let (of, at) = match last {
                CatalogChange::Purge { epoch, sequence, .. }
                | CatalogChange::Heartbeat { epoch, sequence }
                | CatalogChange::Reset { epoch, sequence } => (epoch.clone(), *sequence),
            };
            (epoch, sequence) = (Some(of), at);
            let lines = changes.iter().filter_map(|change| serde_json::to_string(change).ok()).map(|line| line + "\n");
            let sent = timeout(SLOW_READER, reader.send(Ok(lines.collect::<String>().into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
        tokio::select! {
            () = catalog.stopping.cancelled() => return,
            () = reader.closed() => return,
            changed = timeout_at(Instant::now() + HEARTBEAT, head.changed()) => idle = changed.is_err(),
        }
    }
}
