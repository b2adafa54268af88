//! Pages for everybody.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use storefront_service::Context;
use storefront_types::{CallContext, Problem, ProblemType};

use super::{
    html,
    views::{ListPage, ProductView},
};
use crate::storefront::Storefront;

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn fetch<T: DeserializeOwned>(shop: &Arc<Storefront>, context: &CallContext, path: &str) -> Result<T, Problem> {
    let answer = shop.fetch(context, path, &HeaderMap::new()).await?;
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| Problem::new(ProblemType::BadGateway)),
        _ => Err(serde_json::from_slice(&answer.body).unwrap_or_else(|_| Problem::new(ProblemType::BadGateway))),
    }
}

/// Search and browse.
pub(super) async fn list(
    State(shop): State<Arc<Storefront>>,
    Context(context): Context,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    // Empty form fields say nothing; unknown ones are not passed on.
    let known = ["q", "category", "min_price", "max_price", "sort", "cursor"];
    let given: Vec<(&str, &str)> =
        known.iter().filter_map(|name| Some((*name, asked.get(*name)?.trim()))).filter(|(_, value)| !value.is_empty()).collect();
    let query = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
    };
    let path = format!("{}?{}", catalog_api::paths::PRODUCTS, query(&given));
    match fetch::<catalog_api::ProductPage>(&shop, &context, &path).await {
        Ok(page) => {
            let next = page.next_cursor.as_deref().map(|cursor| {
                let mut pairs: Vec<_> = given.iter().copied().filter(|(name, _)| *name != "cursor").collect();
                pairs.push(("cursor", cursor));
                query(&pairs)
            });
            let text = |name: &str| asked.get(name).cloned().unwrap_or_default();
            html::public(StatusCode::OK, &ListPage { page, q: text("q"), category: text("category"), sort: text("sort"), next })
        }
        Err(problem) => html::problem(&problem),
    }
}

/// One product.
pub(super) async fn product(
    State(shop): State<Arc<Storefront>>,
    Context(context): Context,
    Path(handle): Path<String>,
) -> Response {
    match fetch(&shop, &context, &format!("{}/{}", catalog_api::paths::PRODUCTS, encode(&handle))).await {
        Ok(product) => html::public(StatusCode::OK, &ProductView { product }),
        Err(problem) => html::problem(&problem),
    }
}
