//! Pages for everybody: the same bytes whoever asks, whatever cookies come along.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use storefront_service::{Context, ProblemResponse};
use storefront_types::{CallContext, Problem, ProblemType};

use super::{
    html,
    view::{Asked, View},
};
use crate::{serve::plain, storefront::Storefront, upstream::Answer};

/// A list, a product's page, or a product for programs.
pub(crate) async fn page(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if let Some(page) = shop.kept_pages.rendered(path, &parts.headers, Instant::now()) {
        return page.give(&parts.method, &parts.headers).into_response();
    }
    let Some(asked) = Asked::parse(path) else { return html::problem(&Problem::new(ProblemType::NotFound)) };
    match fetch(&shop, &context, &asked, &parts.headers).await {
        Ok(answer) if answer.status == StatusCode::OK => match shop.kept_pages.make(&asked, &answer, Instant::now()) {
            Ok(made) => made.give(&parts.method, &parts.headers).into_response(),
            Err(error) => html::failed(&error),
        },
        Ok(answer) if asked.view == View::ProductJson => plain(answer),
        Ok(answer) => {
            let problem = serde_json::from_slice(&answer.body);
            html::problem(&problem.unwrap_or_else(|_| Problem::new(ProblemType::BadGateway)))
        }
        Err(problem) if asked.view == View::ProductJson => ProblemResponse(problem).into_response(),
        Err(problem) => html::problem(&problem),
    }
}

/// A program may say how fresh an answer it wants; people's browsers say that with every reload. What else a request says is for the answer
/// that is made here.
async fn fetch(shop: &Arc<Storefront>, context: &CallContext, asked: &Asked, request: &HeaderMap) -> Result<Answer, Problem> {
    let mut headers = HeaderMap::new();
    if asked.view == View::ProductJson {
        for value in request.get_all(header::CACHE_CONTROL) {
            headers.append(header::CACHE_CONTROL, value.clone());
        }
    }
    shop.fetch(context, &asked.source, &headers).await
}
