//! A JSON body that is bounded, and whose errors name the field.

use axum::extract::{FromRequest, Request};
use http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use storefront_types::{Problem, ProblemType};

use crate::ProblemResponse;

/// Largest JSON body unless a route says otherwise: 64 KiB, a checkout has under 2.
pub const MAX_JSON_BODY_BYTES: usize = 64 * 1024;

/// A parsed body of at most `MAX` bytes. Refusals: 415 other media type, 413 too large, 400 not JSON or a wrong, unknown
/// or missing field, named in `invalid_params`.
#[derive(Clone, Debug)]
pub struct StrictJson<T, const MAX: usize = MAX_JSON_BODY_BYTES>(pub T);

impl<S: Send + Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for StrictJson<T, MAX> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(is_json) {
            return Err(ProblemType::UnsupportedMediaType.into());
        }
        let body = Limited::new(request.into_body(), MAX).collect().await.map_err(|error| {
            let problem = match error.downcast_ref::<LengthLimitError>() {
                Some(_) => Problem::new(ProblemType::BodyTooLarge).detail(format!("at most {MAX} bytes are taken")),
                None => Problem::new(ProblemType::InvalidRequest).detail("the body ended before its end"),
            };
            ProblemResponse(problem)
        })?;
        parse_json(&body.to_bytes()).map(Self)
    }
}

/// Whether a `Content-Type` says JSON.
pub fn is_json(media_type: &str) -> bool {
    if media_type == "application/json" {
        return true;
    }
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// Parses a body; the refusal names the wrong, unknown or missing field in `invalid_params`.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProblemResponse> {
    // Keeping track of the path costs as much as parsing; only a wrong body needs it.
    serde_json::from_slice(body).or_else(|_| explain(body))
}

fn explain<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProblemResponse> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // Where no object is, there are no fields to name.
        let is_object = body.trim_ascii_start().starts_with(b"{");
        let path = if is_object { error.path().to_string() } else { ".".to_owned() };
        invalid(&path, &error.into_inner())
    })?;
    deserializer.end().map_err(|error| invalid(".", &error))?;
    Ok(value)
}

fn invalid(path: &str, error: &serde_json::Error) -> ProblemResponse {
    let reason = error.to_string();
    let name = match named_field(&reason) {
        Some(field) if path == "." => field.to_owned(),
        Some(field) if !path.ends_with(field) => format!("{path}.{field}"),
        _ if path == "." => "body".to_owned(),
        _ => path.to_owned(),
    };
    Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}")).invalid_param(name, reason).into()
}

/// The field that serde's "unknown field `x`" and its like speak of; it is not part of the path.
fn named_field(reason: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"].iter().find_map(|words| reason.strip_prefix(words))?;
    rest.split('`').next()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::parse_json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by the deserialiser alone")]
    struct Line {
        sku: String,
        quantity: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by the deserialiser alone")]
    struct Body {
        lines: Vec<Line>,
    }

    fn refused(body: &str) -> String {
        let problem = parse_json::<Body>(body.as_bytes()).unwrap_err().0;
        assert_eq!(problem.status, 400);
        problem.invalid_params[0].name.clone()
    }

    #[test]
    fn names_the_field_that_is_wrong_missing_or_unknown() {
        assert_eq!(refused(r#"{"lines": [{"sku": "a", "quantity": -1}]}"#), "lines[0].quantity");
        assert_eq!(refused(r#"{"lines": [{"sku": "a"}]}"#), "lines[0].quantity");
        assert_eq!(refused(r#"{"lines": [], "price": 1}"#), "price");
        assert_eq!(refused(r#"{"lines": [{"sku": "a", "quantity": 1, "x": 2}]}"#), "lines[0].x");
        assert_eq!(refused("{}"), "lines");
        assert_eq!(refused("{} {}"), "lines");
        assert_eq!(refused(r#"{"lines": [], "lines": []}"#), "lines");
        assert_eq!(refused(r#"{"lines": [{"sku": "a", "sku": "b", "quantity": 1}]}"#), "lines[0].sku");
        assert_eq!(refused(r#"{"lines": []} x"#), "body");
        assert_eq!(refused(""), "body");
        assert_eq!(refused("[["), "body");
    }
}
