//! What is answered when the origin gave no answer, or a bad one.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use http_cache_policy::{CacheStatus, Forwarded, StandsIn};

use super::{
    Engine, OriginError, Payload, Unasked, count,
    exchange::target,
    forward::{Plan, Question},
    serve::{CACHE_STATUS, Validated},
};
use crate::cache::Stored;

/// For what the origin is not asked, because it has too much to do or failed a moment ago.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

impl Engine {
    /// A stale answer in place of one that did not come.
    pub(super) fn stood_in(
        &self,
        question: &Question,
        stored: &Arc<Stored>,
        plan: &Plan,
        detail: &'static str,
        forwarded_status: Option<u16>,
    ) -> Option<Response<Payload>> {
        // The request went forward: that excludes `hit` (RFC 9211 section 2.1).
        let status = CacheStatus {
            forwarded: Some(plan.why),
            forwarded_status,
            detail: Some(detail),
            collapsed: plan.collapsed,
            ..CacheStatus::default()
        };
        let answer = self.served(stored, (&question.method, &question.headers), Validated::No, status)?;
        count("stale_if_error");
        Some(answer)
    }

    pub(super) fn without_answer(&self, error: &OriginError, question: &Question, plan: Plan) -> Response<Payload> {
        let unasked = error.is_unasked();
        match unasked {
            // As many as are too many, so none is worth a line.
            true => tracing::debug!(%error, target = %target(&question.uri), "the origin is not asked"),
            false => tracing::info!(%error, target = %target(&question.uri), "the origin gave no answer"),
        }
        if plan.stands_in != StandsIn::Never
            && let Some(stored) = &plan.stored
            && let Some(answer) = self.stood_in(question, stored, &plan, "stale-if-error", None)
        {
            return answer;
        }
        if unasked {
            count("shed");
            let mut answer = failure(StatusCode::SERVICE_UNAVAILABLE, plan.why);
            answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
            answer.extensions_mut().insert(Unasked);
            return answer;
        }
        count("failed");
        // What must be validated and cannot be is 504 (RFC 9111 section 5.2.2.2); so is an answer that is late.
        let late = plan.stored.is_some() || matches!(error, OriginError::TooLate(_));
        failure(if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY }, plan.why)
    }
}

pub(super) fn failure(status: StatusCode, why: Forwarded) -> Response<Payload> {
    let mut answer = Response::new(Payload::empty());
    *answer.status_mut() = status;
    let said = CacheStatus { forwarded: Some(why), ..CacheStatus::default() };
    answer.headers_mut().insert(CACHE_STATUS, said.header());
    answer
}
