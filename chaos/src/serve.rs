//! The drill controller: what is seen, as a stream, and one drill at a time, for operators who come by an edge.
//!
//! Owns: running `chaos drill` as a program of its own, and remembering how it ended. Must not: break anything itself, or be reached by
//! anybody without its token.

mod drill;
mod ledger;
mod look;
mod routes;

use std::{path::PathBuf, sync::Arc};

use storefront_service::{Listeners, Readiness, routed, with_request_context};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use drill::Drills;
pub use drill::Programme;
use look::Lookout;

/// What the controller is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub topology_file: PathBuf,
    /// What callers say in `Authorization: Bearer`.
    pub token: String,
    pub programme: Programme,
}

/// Serves until `shutdown`. A drill that runs then is asked to end, and heals what it broke.
pub async fn run(setup: Setup, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let work = TaskTracker::new();
    let drills = Arc::new(Drills::new(setup.programme, work.clone()));
    let lookout = Arc::new(Lookout::new(setup.topology_file));
    let app = with_request_context(routes::router(drills.clone(), lookout, setup.token, shutdown.clone()));
    let served = storefront_service::serve(listeners, routed(app), Readiness::new(&[]), shutdown).await;
    drills.stop();
    work.close();
    work.wait().await;
    served
}
