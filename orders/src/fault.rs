//! Points where a test ends the process as a crash would, or a work of it as a defect would. Only in builds with debug assertions, and only where the environment
//! names the point; a release build has none of it.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

/// `ORDERS_FAULT=after-confirm` aborts the process when a checkout has done that and nothing more.
static ARMED: LazyLock<Option<String>> =
    LazyLock::new(|| if cfg!(debug_assertions) { std::env::var("ORDERS_FAULT").ok() } else { None });

/// Called between any two effects of a checkout, with the name of the one just done.
pub(crate) fn after(effect: &str) {
    if ARMED.as_deref().and_then(|point| point.strip_prefix("after-")) == Some(effect) {
        tracing::error!(effect, "the armed fault point was reached");
        std::process::abort();
    }
}

/// `ORDERS_FAULT=panic-reconcile` ends that work twice, as a defect in it would, and leaves the process as it is.
pub(crate) fn panics(work: &str) {
    static LEFT: AtomicU32 = AtomicU32::new(2);
    let is_armed = ARMED.as_deref().and_then(|point| point.strip_prefix("panic-")) == Some(work);
    if is_armed && LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        panic!("the armed fault point was reached");
    }
}
