//! Request durations by method, route and status.
//!
//! Looking a histogram up by its labels allocates and takes a lock; each thread keeps the few it uses.

use std::{cell::RefCell, time::Duration};

use http::{Method, StatusCode};
use metrics::Histogram;

/// Histograms a thread keeps. Routes are the code's own and methods are counted by name only where known, so a service has
/// far fewer; more are recorded without being kept.
const MAX_KEPT: usize = 256;

struct Kept {
    method: &'static str,
    route: String,
    status: StatusCode,
    durations: Histogram,
}

thread_local! {
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// Strange methods are one label: a client must not be able to make new ones.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

pub(crate) fn record(method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
    let method = name(method);
    KEPT.with_borrow_mut(|kept| {
        let known = kept.iter().find(|one| one.status == status && one.method == method && one.route == route);
        if let Some(known) = known {
            return known.durations.record(elapsed);
        }
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.as_u16().to_string())];
        let durations = metrics::histogram!("http_request_duration_seconds", &labels);
        durations.record(elapsed);
        if kept.len() < MAX_KEPT {
            kept.push(Kept { method, route: route.to_owned(), status, durations });
        }
    });
}
