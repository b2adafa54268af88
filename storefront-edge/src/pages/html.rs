//! Pages for one shopper as answers, and the files that pages load.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use storefront_types::Problem;

use super::{security, views::ProblemPage};

/// The number in a path changes with the file, so browsers may keep it for ever.
pub(super) const STYLE_PATH: &str = "/assets/shop-5.css";
pub(super) const SCRIPT_PATH: &str = "/assets/stock-2.js";

const STYLE: &str = include_str!("../../assets/shop.css");
const SCRIPT: &str = include_str!("../../assets/stock.js");

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn guarded(mut response: Response) -> Response {
    security::guard_private(response.headers_mut());
    response
}

/// A page for one shopper.
pub(super) fn private(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => guarded((status, Html(text)).into_response()),
        Err(error) => failed(&error),
    }
}

pub(super) fn failed(error: &impl std::fmt::Display) -> Response {
    tracing::error!(%error, "a page cannot be rendered");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Seconds after which what is away may be back: about an election.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// Says when to come back, where the status asks for it.
pub(super) fn with_retry(mut response: Response) -> Response {
    if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
    }
    response
}

/// What went wrong, in words.
pub(super) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let detail = problem.detail.clone().unwrap_or_default();
    with_retry(private(status, &ProblemPage { title: problem.title.clone(), detail }))
}

/// To another page after a form, with the session that the answer may have begun.
pub(super) fn see_other(path: &str, answer: Option<&HeaderMap>) -> Response {
    let mut response = guarded(Redirect::to(path).into_response());
    for cookie in answer.into_iter().flat_map(|headers| headers.get_all(header::SET_COOKIE)) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Browsers never ask again for what they keep for ever.
    #[test]
    fn a_changed_file_has_another_path() {
        let print = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..8].to_owned();
        let known = [(STYLE_PATH, print(STYLE)), (SCRIPT_PATH, print(SCRIPT))];
        let expected = [("/assets/shop-5.css", "63e0361f"), ("/assets/stock-2.js", "5d029d74")];
        for ((path, print), (was_path, was_print)) in known.iter().zip(expected) {
            assert_eq!((*path, print.as_str()), (was_path, was_print), "give the file the next number, and note its print here");
        }
    }
}
