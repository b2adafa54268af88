//! A request that must be refused, by its row in a table: with which problem, and naming what.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use storefront_types::{Problem, ProblemType};

use super::{books::at_rest, running::Running};

/// One row: what it is, how it is asked, the problem, and the name of the parameter that is at fault, if one is.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) ask: RequestBuilder,
    pub(crate) kind: ProblemType,
    pub(crate) param: Option<&'static str>,
}

pub(crate) fn row(what: &'static str, ask: RequestBuilder, kind: ProblemType) -> Row {
    Row { what, ask, kind, param: None }
}

/// Refused as `invalid-request`, naming `param`.
pub(crate) fn invalid(what: &'static str, ask: RequestBuilder, param: &'static str) -> Row {
    Row { what, ask, kind: ProblemType::InvalidRequest, param: Some(param) }
}

/// Each row is refused as it says, as a document that says what to do; and after each the books balance and nothing is held.
pub(crate) async fn all(running: &Running, rows: Vec<Row>) {
    for Row { what, ask, kind, param } in rows {
        let answer = ask.send().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::from_u16(kind.status()).unwrap(), "{what}: {text}");
        assert_eq!(headers.get("content-type").unwrap(), "application/problem+json", "{what}: {text}");
        let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error} in {text}"));
        assert_eq!((problem.kind(), problem.status), (Some(kind), kind.status()), "{what}: {text}");
        let names: Vec<&str> = problem.invalid_params.iter().map(|param| param.name.as_str()).collect();
        if let Some(param) = param {
            assert_eq!(names, [param], "{what}: {text}");
            assert!(!problem.invalid_params[0].reason.is_empty(), "{what} says no reason");
        }
        // The title of these is all that there is to say.
        let plain = [ProblemType::NotFound, ProblemType::UnsupportedMediaType, ProblemType::MethodNotAllowed];
        let says = problem.detail.is_some() || !problem.invalid_params.is_empty();
        assert!(says || plain.contains(&kind), "{what} says nothing: {text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let known = ["type", "title", "status", "detail", "invalid_params", "lines"];
        assert!(value.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{what}: {text}");
        at_rest(running).await;
    }
}
