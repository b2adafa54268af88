//! The program with one link, in front of a server of the test's own.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fault_proxy::{Condition, Fault, LinkSpec, LinkView, ProxyClient};
use storefront_service::testing::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const TOKEN: &str = "only-for-this-test";

pub(crate) struct Proxy {
    child: Child,
    _folder: tempfile::TempDir,
    pub(crate) control: String,
    pub(crate) client: ProxyClient,
    pub(crate) link: SocketAddr,
    /// What the link leads to.
    pub(crate) server: TcpListener,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self::with(Condition::default()).await
    }

    /// A link that is like that without faults.
    pub(crate) async fn with(base: Condition) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (link, control) = (free_port(), free_port().to_string());
        let target = server.local_addr().unwrap();
        let spec = LinkSpec { name: "a>b".to_owned(), from: "a".to_owned(), to: "b".to_owned(), listen: link, target, base };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("links.json");
        std::fs::write(&file, serde_json::to_vec(&[spec]).unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fault-proxy"));
        command.env("FAULT_PROXY_TOKEN", TOKEN).arg("--links").arg(&file).args(["--control", &control]);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let client = ProxyClient::new(&control, TOKEN).unwrap();
        let proxy = Self { child, _folder: folder, control, client, link, server };
        eventually("the control port", async || proxy.client.links().await.ok()).await;
        proxy
    }

    pub(crate) async fn view(&self) -> LinkView {
        self.client.links().await.unwrap().remove(0)
    }

    pub(crate) async fn set(&self, condition: Condition) {
        let fault = Fault { links: vec!["a>b".to_owned()], condition, lease_ms: 60_000 };
        self.client.set("test", &fault).await.unwrap();
    }

    pub(crate) async fn heal(&self) {
        self.client.heal("test").await.unwrap();
    }

    /// Both ends of a new connection.
    pub(crate) async fn connect(&self) -> (TcpStream, TcpStream) {
        let caller = TcpStream::connect(self.link).await.unwrap();
        (caller, self.server.accept().await.unwrap().0)
    }
}

/// One byte there.
pub(crate) async fn passes(from: &mut TcpStream, to: &mut TcpStream, byte: u8) {
    from.write_all(&[byte]).await.unwrap();
    assert_eq!(to.read_u8().await.unwrap(), byte);
}

/// Nothing comes for a while. What is late by a busy machine makes this hold, never fail.
pub(crate) async fn is_silent(stream: &mut TcpStream) {
    let read = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
    assert!(read.is_err(), "{read:?} came through");
}
