//! JSON lines on standard output; the supervisor keeps them.

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Starts logging for this process: one JSON object a line, filtered by `RUST_LOG` (default `info`). The fields of the
/// spans around an event (request id, trace id) stand in its object. A second call, as in tests, does nothing.
pub fn init_logging(service: &'static str, instance: &str, region: &str) {
    // sqlx and sled speak at info about every slow statement or flush; warnings of theirs matter, the rest does not.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sled=warn,openraft=warn"));
    let lines = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        tracing::info!(service, instance, region, pid = std::process::id(), "process starts");
    }
}
