//! JSON lines on standard output; the supervisor keeps them.

use std::fmt::Result;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, fmt,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, JsonFields, Writer},
    },
    prelude::*,
    registry::LookupSpan,
};

use crate::context;

/// Starts logging for this process: one JSON object a line, filtered by `RUST_LOG` (default `info`). Lines written for a
/// request begin with its id and its trace. A second call, as in tests, does nothing.
pub fn init_logging(service: &'static str, instance: &str, region: &str) {
    // sqlx and sled speak at info about every slow statement or flush; warnings of theirs matter, the rest does not.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sled=warn,openraft=warn"));
    let lines = fmt::format().json().flatten_event(true).with_current_span(true).with_span_list(false);
    let lines = fmt::layer().fmt_fields(JsonFields::new()).event_format(WithRequest(lines));
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        tracing::info!(service, instance, region, pid = std::process::id(), "process starts");
    }
}

/// A JSON line with the ids of the request that the task works for in front.
struct WithRequest(Format<Json>);

impl<S, N> FormatEvent<S, N> for WithRequest
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, scope: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> Result {
        let Some(request) = context::current() else { return self.0.format_event(scope, out, event) };
        let mut line = String::new();
        self.0.format_event(scope, Writer::new(&mut line), event)?;
        let fields = line.strip_prefix('{').unwrap_or(&line);
        // Both ids are of letters, digits, '-', '_' and '.' alone; nothing needs escaping.
        write!(out, r#"{{"request_id":"{}","trace_id":"{}",{fields}"#, request.request_id, request.trace.trace_id())
    }
}
