//! What browsers are told about safety, and whose forms are taken.
//!
//! Forms are guarded by where they come from (`Sec-Fetch-Site`, else `Origin`, else `Referer`), which a page of another site cannot forge, and
//! not by tokens in the form: pages stay the same for everybody and can be kept. Every browser since 2020 sends `Origin` with a form that is
//! posted across sites.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use orders_api::SESSION_COOKIE;
use storefront_types::{Problem, ProblemType, Region};

use super::view::View;

/// No script at all; pictures may come from merchants' own servers.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A product's page is told of changes of its stock.
const LIVE_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// On every page. A page of this shop has no use for any of what is denied here.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Stock is at most a second behind, also in a browser's own cache. It is cheap to ask again: the answer is a 304 most of the time.
const PRODUCT_CACHE: &str = "public, max-age=1";

/// Lists say only whether there is any.
const LIST_CACHE: &str = "public, max-age=5";

fn set(headers: &mut HeaderMap, values: impl IntoIterator<Item = (HeaderName, &'static str)>) {
    for (name, value) in values {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Headers of a page that everybody may see.
pub(super) fn page_headers(view: &View, region: &Region) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let (media_type, cache) = match view {
        View::ProductJson => ("application/json", PRODUCT_CACHE),
        View::ProductPage => ("text/html; charset=utf-8", PRODUCT_CACHE),
        View::List(_) => ("text/html; charset=utf-8", LIST_CACHE),
    };
    set(&mut headers, [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, cache)]);
    // What is shown was checked against all that is known here at this moment.
    headers.insert(header::AGE, HeaderValue::from(0));
    if let Ok(region) = HeaderValue::from_str(region.as_str()) {
        headers.insert("x-edge-region", region);
    }
    match view {
        View::ProductJson => set(&mut headers, [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")]),
        View::ProductPage => guard(&mut headers, LIVE_POLICY),
        View::List(_) => guard(&mut headers, POLICY),
    }
    headers
}

fn guard(headers: &mut HeaderMap, policy: &'static str) {
    set(headers, ALWAYS);
    set(headers, [(header::CONTENT_SECURITY_POLICY, policy)]);
}

/// Headers of a page for one shopper.
pub(super) fn guard_private(headers: &mut HeaderMap) {
    guard(headers, POLICY);
    set(headers, [(header::CACHE_CONTROL, "private, no-store")]);
}

/// A form may be posted by this shop's own pages only: another site's form would act in the shopper's name. A request that does not say where
/// it comes from is no browser's; with a session it is refused all the same, because programs have the API and `Authorization: Bearer`.
pub(super) fn same_site(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // HTTP/2 has no Host header.
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = authority.or_else(|| text(header::HOST)).unwrap_or_default();
    let foreign = || Err(Problem::new(ProblemType::Forbidden).detail("this form was sent by another site"));
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { foreign() };
    }
    match text(header::ORIGIN).or_else(|| text(header::REFERER)) {
        Some(from) => {
            if is_of(from, host) {
                Ok(())
            } else {
                foreign()
            }
        }
        None if has_session(headers) => Err(Problem::new(ProblemType::Forbidden).detail(
            "a form with a session must say where it comes from: send Origin, or use the API with Authorization: Bearer",
        )),
        None => Ok(()),
    }
}

/// Whether another site's page sent this, with the shopper's cookie: the API takes JSON only, which such a page cannot send, and refuses it
/// all the same.
pub(crate) fn from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    site && !method.is_safe() && has_session(headers) && !headers.contains_key(header::AUTHORIZATION)
}

/// Over TLS the session's cookie must never travel without it. `orders`, which makes the cookie, does not see how the shopper came.
pub(crate) fn secure_cookies(headers: &mut HeaderMap) {
    let header::Entry::Occupied(mut cookies) = headers.entry(header::SET_COOKIE) else { return };
    for cookie in cookies.iter_mut() {
        let is_secure = |text: &str| text.split(';').any(|part| part.trim().eq_ignore_ascii_case("secure"));
        let Some(plain) = cookie.to_str().ok().filter(|text| !is_secure(text)) else { continue };
        if let Ok(secure) = HeaderValue::from_str(&format!("{plain}; Secure")) {
            *cookie = secure;
        }
    }
}

/// Whether an origin or address is this host's. `null` is nobody's.
fn is_of(from: &str, host: &str) -> bool {
    let rest = from.strip_prefix("https://").or_else(|| from.strip_prefix("http://"));
    let theirs = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    theirs.is_some_and(|theirs| !theirs.is_empty() && theirs.eq_ignore_ascii_case(host))
}

fn has_session(headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).any(|pair| pair.split('=').next().is_some_and(|name| name.trim() == SESSION_COOKIE))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allowed(pairs: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method("POST").uri("/cart/add").header("host", "shop.example:8443");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        same_site(&request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn only_this_shops_own_pages_may_post() {
        let session = ("cookie", "theme=dark; session=eu_x");
        let own = [
            vec![("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "none")],
            vec![("origin", "https://shop.example:8443")],
            vec![("origin", "https://SHOP.example:8443")],
            vec![("referer", "https://shop.example:8443/products/x?y#z")],
        ];
        let foreign = [
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "")],
            // What a proxy or an extension adds does not outweigh the browser's own word.
            vec![("sec-fetch-site", "cross-site"), ("origin", "https://shop.example:8443")],
            vec![("origin", "null")],
            vec![("origin", "")],
            vec![("origin", "https://evil.example")],
            vec![("origin", "https://shop.example")],
            vec![("origin", "https://shop.example:8443.evil.example")],
            vec![("origin", "https://evil.example/https://shop.example:8443")],
            vec![("referer", "https://evil.example/?shop.example:8443")],
        ];
        for mut pairs in own {
            assert!(allowed(&pairs), "{pairs:?}");
            pairs.push(session);
            assert!(allowed(&pairs), "{pairs:?}");
        }
        for mut pairs in foreign {
            assert!(!allowed(&pairs), "{pairs:?}");
            pairs.push(session);
            assert!(!allowed(&pairs), "{pairs:?}");
        }
        assert!(allowed(&[]), "no browser, and in nobody's name");
        assert!(allowed(&[("cookie", "sessions=1")]));
        assert!(!allowed(&[session]), "in a shopper's name, from nowhere");
    }

    #[test]
    fn cookies_are_made_secure_once() {
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("session=eu_x; Path=/; HttpOnly; SameSite=Lax"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("theme=dark; secure"));
        secure_cookies(&mut headers);
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
        assert_eq!(cookies, ["session=eu_x; Path=/; HttpOnly; SameSite=Lax; Secure", "theme=dark; secure"]);
        secure_cookies(&mut HeaderMap::new());
    }

    #[test]
    fn another_sites_calls_with_the_shoppers_cookie_are_seen() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect::<HeaderMap>()
        };
        let (cookie, cross) = (("cookie", "session=eu_x"), ("sec-fetch-site", "cross-site"));
        assert!(from_elsewhere(&Method::POST, &headers(&[cookie, cross])));
        assert!(!from_elsewhere(&Method::GET, &headers(&[cookie, cross])));
        assert!(!from_elsewhere(&Method::POST, &headers(&[cookie, ("sec-fetch-site", "same-origin")])));
        assert!(!from_elsewhere(&Method::POST, &headers(&[cookie])), "a program with a cookie jar");
        assert!(!from_elsewhere(&Method::POST, &headers(&[cross, ("authorization", "Bearer eu_x")])));
    }

    #[test]
    fn the_host_of_http_2_is_in_the_uri() {
        let request =
            Request::builder().method("POST").uri("https://shop.example/cart/add").header("origin", "https://shop.example");
        assert!(same_site(&request.body(Body::empty()).unwrap()).is_ok());
        let request =
            Request::builder().method("POST").uri("https://shop.example/cart/add").header("origin", "https://a.example");
        assert!(same_site(&request.body(Body::empty()).unwrap()).is_err());
    }
}
