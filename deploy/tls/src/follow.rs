//! Files that are looked at again while the process runs.

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use crate::files::Stamp;

/// Between two looks at the files: a call of stat(2) for each.
const LOOK: Duration = Duration::from_secs(2);

/// Between two attempts at files that were refused.
const RETRY: Duration = Duration::from_secs(30);

/// What was loaded from files.
pub(crate) trait Followed: Send + Sync + 'static {
    fn stamp(&self) -> Stamp;

    /// Says what is in use, as metrics.
    fn tell(&self);

    /// Whether the new files are in use now. A fault is logged.
    fn reload(&self) -> bool;
}

/// Ends with the last user. Files are taken when they have lain still for one look, so that several of them can be replaced one
/// after the other; a fault is told again every 30 s.
pub(crate) async fn follow<F: Followed>(followed: Weak<F>, mut taken: Stamp) {
    let mut before = taken.clone();
    let mut refused: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(followed) = followed.upgrade() else { return };
        // Each time, because a process may begin to collect metrics after it has read its certificates.
        followed.tell();
        let now = followed.stamp();
        // Refused files may be right by and by: not valid yet by this clock, or not readable for a moment.
        let is_due = now != taken || refused.is_some_and(|at| at.elapsed() >= RETRY);
        if now == before && is_due {
            taken = now.clone();
            let is_taken = followed.reload();
            metrics::counter!("tls_reloads_total", "result" => if is_taken { "ok" } else { "failed" }).increment(1);
            refused = (!is_taken).then(Instant::now);
        }
        before = now;
    }
}
