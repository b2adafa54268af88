//! What an unsafe request makes unusable (RFC 9111 section 4.4).

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

/// Targets (path with query, on the same authority) whose stored answers must not be used any more. A refused or failed request
/// changed nothing; neither did a safe one (RFC 9110 section 9.2.1).
pub fn invalidated(method: &Method, authority: &str, target: &str, status: StatusCode, headers: &HeaderMap) -> Vec<String> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if safe || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let named = [header::LOCATION, header::CONTENT_LOCATION].into_iter().filter_map(|name| headers.get(name)?.to_str().ok());
    let also = named.filter_map(|location| on_same_origin(authority, target, location));
    std::iter::once(target.to_owned()).chain(also).collect()
}

/// Whether a reference points back to the request's own target.
pub(crate) fn same_target(authority: &str, target: &str, location: &str) -> bool {
    on_same_origin(authority, target, location).is_some_and(|found| found == target)
}

/// Path and query that a reference leads to, if it stays on the origin: others' answers are not this origin's to drop.
fn on_same_origin(authority: &str, target: &str, location: &str) -> Option<String> {
    let base = Url::parse(&format!("http://{authority}{target}")).ok()?;
    let found = base.join(location).ok()?;
    (found.origin() == base.origin())
        .then(|| found.query().map_or_else(|| found.path().to_owned(), |query| format!("{}?{query}", found.path())))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn after(method: &str, status: u16, location: Option<&'static str>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
        }
        let method = method.parse().unwrap();
        invalidated(&method, "shop:8080", "/a/b?c", StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn changes_drop_the_target_and_what_they_name_on_the_same_origin() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
            assert_eq!(after(method, 200, None), ["/a/b?c"]);
            assert!(after(method, 404, None).is_empty() && after(method, 500, None).is_empty());
        }
        assert!(after("GET", 200, None).is_empty());
        assert_eq!(after("POST", 303, Some("../d?e")), ["/a/b?c", "/d?e"]);
        assert_eq!(after("POST", 201, Some("http://SHOP:8080/x")), ["/a/b?c", "/x"]);
        assert_eq!(after("POST", 201, Some("http://other:8080/x")), ["/a/b?c"]);
        assert_eq!(after("POST", 201, Some("http://shop:9/x")), ["/a/b?c"]);
        assert_eq!(after("POST", 201, Some("https://shop:8080/x")), ["/a/b?c"]);
    }
}
