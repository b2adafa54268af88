//! Deadlines that travel: how long the caller will wait comes with the request, and the work ends with it.
//!
//! Relative and not a time of day, so that clocks need not agree; the way itself is not counted.

use std::{future::Future, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use storefront_types::{Problem, ProblemType};
use tokio::time::{Instant, timeout_at};

use crate::ProblemResponse;

/// Milliseconds for which the caller waits from now on.
pub const DEADLINE_HEADER: &str = "x-deadline-ms";

/// Longer ones are none: no request takes an hour.
const LONGEST: Duration = Duration::from_secs(3_600);

tokio::task_local! {
    static DEADLINE: Instant;
}

/// How long the caller of the request at hand still waits; `None` where it said nothing.
pub fn time_left() -> Option<Duration> {
    current().map(|at| at.saturating_duration_since(Instant::now()))
}

pub(crate) fn current() -> Option<Instant> {
    DEADLINE.try_with(|at| *at).ok()
}

/// Work with the deadline of the request at hand, or none.
pub(crate) async fn within<F: Future>(deadline: Option<Instant>, work: F) -> F::Output {
    match deadline {
        Some(at) => DEADLINE.scope(at, work).await,
        None => work.await,
    }
}

pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let left = Duration::from_millis(headers.get(DEADLINE_HEADER)?.to_str().ok()?.parse().ok()?);
    (left <= LONGEST).then_some(left)
}

/// Answers within the time that is left, with a problem document where the work has not.
pub(crate) async fn answered_in_time(left: Option<Duration>, method: Method, work: impl Future<Output = Response>) -> Response {
    let Some(left) = left else { return work.await };
    if left.is_zero() {
        // Nobody waits for it any more: the cheapest answer is the best.
        metrics::counter!("http_requests_late_total", "when" => "before").increment(1);
        let detail = "nobody waited for it any more when it came; nothing was done";
        return ProblemResponse(Problem::new(ProblemType::Unavailable).detail(detail)).into_response();
    }
    let at = Instant::now() + left;
    timeout_at(at, within(Some(at), work)).await.unwrap_or_else(|_| {
        metrics::counter!("http_requests_late_total", "when" => "within").increment(1);
        let problem = if method.is_safe() {
            Problem::new(ProblemType::UpstreamTimeout).detail("it took longer than the caller waits")
        } else {
            Problem::new(ProblemType::UnknownOutcome).detail("it took longer than the caller waits, and may have been done")
        };
        ProblemResponse(problem).into_response()
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;
    use crate::in_current_context;

    fn asked_for(left: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(DEADLINE_HEADER, HeaderValue::from_static(left));
        asked(&headers)
    }

    async fn for_ever() -> Response {
        std::future::pending().await
    }

    #[tokio::test]
    async fn work_ends_with_the_callers_patience() {
        let status = async |left, method| answered_in_time(asked_for(left), method, for_ever()).await.status();
        let began = Instant::now();
        assert_eq!(status("20", Method::POST).await, StatusCode::GATEWAY_TIMEOUT);
        assert!(began.elapsed() >= Duration::from_millis(20));
        assert_eq!(status("0", Method::POST).await, StatusCode::SERVICE_UNAVAILABLE);
        let answer = answered_in_time(asked_for("5"), Method::GET, for_ever()).await;
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        for nonsense in ["-1", "soon", "99999999999999999999", "3600001"] {
            let quick = async { StatusCode::OK.into_response() };
            assert_eq!(answered_in_time(asked_for(nonsense), Method::GET, quick).await.status(), StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn what_is_left_is_known_inside_and_in_tasks_of_the_same_request() {
        let work = async {
            let elsewhere = tokio::spawn(in_current_context(async { time_left() })).await.unwrap();
            assert!(elsewhere >= time_left() && elsewhere.is_some_and(|left| left <= Duration::from_secs(60)));
            StatusCode::OK.into_response()
        };
        assert_eq!(answered_in_time(asked_for("60000"), Method::POST, work).await.status(), StatusCode::OK);
        assert_eq!(time_left(), None);
    }
}
