//! Listeners, and serving until asked to stop.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::Router;
use futures_util::FutureExt;
use tokio::{
    net::{TcpListener, TcpSocket},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Readiness, admin,
    connections::{Door, HttpService, routed, serve_connections},
    install_metrics,
};

/// Longest wait for open requests after the signal to stop, where a process names none of its own. Longer than every request deadline but
/// streams, which end by it.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Connections that wait in the kernel to be taken; the kernel takes the smaller of it and `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

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

    /// The same, and further listeners may be opened on the service's address, one for each thread of a process, and by the
    /// process that takes its place. Another program of the same user can then take the address too without an error.
    pub async fn bind_shared(&self) -> anyhow::Result<Listeners> {
        let http =
            shared_listener(self.listen).with_context(|| format!("cannot listen on {}; is the port taken?", self.listen))?;
        let admin = TcpListener::bind(self.admin).await;
        let admin = admin.with_context(|| format!("cannot listen on {}; is the port taken?", self.admin))?;
        Ok(Listeners { http, admin })
    }
}

/// A listener that others may stand beside (`SO_REUSEPORT`): the kernel spreads connections over them.
pub fn shared_listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
        ListenArgs { listen: any, admin: any }.bind_shared().await
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
    tracing::info!(http = %listeners.http_addr()?, "listening");
    let server = serve_connections(listeners.http, door, app, shutdown.clone().cancelled_owned()).map(Ok);
    beside_admin(listeners.admin, readiness, shutdown, server).await
}

/// Serves the admin port beside a server that ends by itself some time after `shutdown`; it is dropped after [`DRAIN_LIMIT`].
pub async fn beside_admin(
    admin: TcpListener,
    readiness: Readiness,
    shutdown: CancellationToken,
    server: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    beside_admin_with(Router::new(), DRAIN_LIMIT, admin, readiness, shutdown, server).await
}

/// The same, with more routes on the admin port; the server is dropped after `drain_limit`.
pub async fn beside_admin_with(
    more: Router,
    drain_limit: Duration,
    admin: TcpListener,
    readiness: Readiness,
    shutdown: CancellationToken,
    server: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    install_metrics();
    tracing::info!(admin = %admin.local_addr()?, "listening");
    let admin_done = CancellationToken::new();
    let admin_app = routed(admin::router(readiness).merge(more));
    let admin_server = tokio::spawn(serve_connections(admin, Door::Open, admin_app, admin_done.clone().cancelled_owned()));
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain_limit).await;
    };
    let served = tokio::select! {
        served = server => served,
        () = admin::upkeep() => Ok(()),
        () = drained => {
            tracing::warn!(limit_s = drain_limit.as_secs(), "open requests were cut off at the end of the drain");
            Ok(())
        }
    };
    admin_done.cancel();
    // The admin port has no long requests; a second is generous and keeps a stuck scrape from holding the process.
    let _ = timeout(Duration::from_secs(1), admin_server).await;
    served
}
