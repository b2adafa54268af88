//! Listeners, and serving until asked to stop.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Readiness, admin,
    connections::{Door, HttpService, routed, serve_connections},
    install_metrics,
};

/// Longest wait for open requests after the signal to stop. Longer than every request deadline but streams, which end by it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Where a process listens. Port 0 takes a free one.
#[derive(Clone, Debug, clap::Args)]
pub struct ListenArgs {
    /// Address of the service itself
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "ADMIN", default_value = "127.0.0.1:0")]
    pub admin: SocketAddr,
}

impl ListenArgs {
    /// Opens both listeners.
    pub async fn bind(&self) -> anyhow::Result<Listeners> {
        let open = async |address: SocketAddr| {
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}; is the port taken?"))
        };
        Ok(Listeners { http: open(self.listen).await?, admin: open(self.admin).await? })
    }
}

/// The two open listeners of a process.
#[derive(Debug)]
pub struct Listeners {
    pub http: TcpListener,
    pub admin: TcpListener,
}

impl Listeners {
    /// On free ports of the loopback interface.
    pub async fn loopback() -> anyhow::Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        ListenArgs { listen: any, admin: any }.bind().await
    }

    pub fn http_addr(&self) -> std::io::Result<SocketAddr> {
        self.http.local_addr()
    }

    pub fn admin_addr(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }
}

/// Serves `app` and the admin port until `shutdown`, then drains open requests for at most 10 s. The admin port outlives
/// the drain, so that an operator can watch it.
pub async fn serve(
    listeners: Listeners,
    app: impl HttpService,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    serve_behind(Door::Open, listeners, app, readiness, shutdown).await
}

/// The same, with somebody at the door of the service. The admin port is for probes, which have no certificates.
pub async fn serve_behind(
    door: Door,
    listeners: Listeners,
    app: impl HttpService,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    install_metrics();
    let (http, admin) = (listeners.http_addr()?, listeners.admin_addr()?);
    let admin_done = CancellationToken::new();
    let admin_app = routed(admin::router(readiness));
    let admin_server =
        tokio::spawn(serve_connections(listeners.admin, Door::Open, admin_app, admin_done.clone().cancelled_owned()));
    tracing::info!(%http, %admin, "listening");
    let server = serve_connections(listeners.http, door, app, shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        () = server => {}
        () = admin::upkeep() => {}
        () = drained => {
            tracing::warn!(limit_s = DRAIN_LIMIT.as_secs(), "open requests were cut off at the end of the drain");
        }
    }
    admin_done.cancel();
    // The admin port has no long requests; a second is generous and keeps a stuck scrape from holding the process.
    let _ = timeout(Duration::from_secs(1), admin_server).await;
    Ok(())
}
