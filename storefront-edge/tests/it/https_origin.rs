//! An origin behind TLS: asked only if its certificate is for the name that it is called by, from an authority that is trusted.

use std::{path::PathBuf, sync::Arc};

use axum::{Router, routing::get};
use clap::Parser;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use storefront_edge::{Config, run};
use storefront_service::Listeners;
use tokio_rustls::TlsAcceptor;

use crate::scripted::Edge;

/// For `localhost` alone, at a free port; its certificate lies in a file.
struct Origin {
    port: u16,
    folder: tempfile::TempDir,
}

impl Origin {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let (acceptor, listener) =
            (TlsAcceptor::from(Arc::new(config)), tokio::net::TcpListener::bind("localhost:0").await.unwrap());
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().fallback(get(|| async { ([("cache-control", "max-age=60")], "behind TLS") }));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(routes.clone()));
                tokio::spawn(async move {
                    // A caller that trusts nobody here hangs up.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let http1 = hyper::server::conn::http1::Builder::new();
                    let _ = http1.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    async fn edge(&self, host: &str, ca: Option<&PathBuf>) -> Edge {
        let mut line = vec!["edge".to_owned(), "--origin".to_owned(), format!("https://{host}:{}", self.port)];
        line.extend(ca.into_iter().flat_map(|ca| ["--origin-ca".to_owned(), ca.display().to_string()]));
        Edge::running(Config::parse_from(line)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_in_tls_and_kept_as_any_other() {
    let origin = Origin::start().await;
    let edge = origin.edge("localhost", Some(&origin.ca())).await;
    let (status, _, body) = edge.get("/a").await;
    assert_eq!((status, body.as_str()), (200, "behind TLS"));
    assert!(edge.get("/a").await.1["cache-status"].to_str().unwrap().contains("hit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_show_that_it_is_the_origin_is_told_nothing() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    for (what, edge) in [
        ("another authority", origin.edge("localhost", Some(&other.ca())).await),
        ("another name", origin.edge("127.0.0.1", Some(&origin.ca())).await),
        ("no authority of this machine", origin.edge("localhost", None).await),
    ] {
        assert_eq!(edge.get("/a").await.0, 502, "{what}");
    }
}

#[tokio::test]
async fn authorities_without_https_or_without_a_file_are_refused_with_a_reason() {
    let started = async |line: &[&str]| {
        let config = Config::parse_from([&["edge"], line].concat());
        run(config, Listeners::loopback().await.unwrap(), tokio_util::sync::CancellationToken::new())
            .await
            .unwrap_err()
            .to_string()
    };
    let plain = started(&["--origin", "http://localhost", "--origin-ca", "ca.pem"]).await;
    assert!(plain.contains("--origin-ca is for an https origin"), "{plain}");
    let missing = started(&["--origin", "https://localhost", "--origin-ca", "/nowhere/ca.pem"]).await;
    assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
    assert!(Config::try_parse_from(["edge", "--origin", "ftp://localhost"]).is_err());
}
