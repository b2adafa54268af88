//! Pages as answers: what they may load, and who may post to them.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use storefront_types::{Problem, ProblemType};

use super::views::ProblemPage;

/// The version in the path changes with the file, so browsers may keep it for ever.
pub(super) const STYLE_PATH: &str = "/assets/shop-1.css";

const STYLE: &str = include_str!("../../assets/shop.css");

/// No script at all; pictures may come from merchants' own servers.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, STYLE).into_response()
}

fn guarded(mut response: Response, cache: &'static str) -> Response {
    let set =
        [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "same-origin"), (header::CACHE_CONTROL, cache)];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page for everybody: browsers may show it again for a few seconds.
pub(super) fn public(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => guarded((status, Html(text)).into_response(), "public, max-age=5"),
        Err(error) => failed(&error),
    }
}

/// A page for one shopper.
pub(super) fn private(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => guarded((status, Html(text)).into_response(), "private, no-store"),
        Err(error) => failed(&error),
    }
}

fn failed(error: &askama::Error) -> Response {
    tracing::error!(%error, "a page cannot be rendered");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// What went wrong, in words.
pub(super) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let detail = problem.detail.clone().unwrap_or_default();
    private(status, &ProblemPage { title: problem.title.clone(), detail })
}

/// To another page after a form, with the session that the answer may have begun.
pub(super) fn see_other(path: &str, answer: Option<&HeaderMap>) -> Response {
    let mut response = guarded(Redirect::to(path).into_response(), "private, no-store");
    for cookie in answer.into_iter().flat_map(|headers| headers.get_all(header::SET_COOKIE)) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}

/// A form may be posted by this shop's own pages only: another site's form would act in the shopper's name.
pub(super) fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let fetched = text(HeaderName::from_static("sec-fetch-site")).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let host = text(header::HOST).unwrap_or_default();
    let origin = text(header::ORIGIN).is_none_or(|origin| origin.split("://").nth(1) == Some(host));
    match fetched && origin {
        true => Ok(()),
        false => Err(Problem::new(ProblemType::Forbidden).detail("this form was sent by another site")),
    }
}
