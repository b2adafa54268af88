//! TLS on the public port: both protocols, certificates that change, callers who do not finish.

use std::{path::PathBuf, sync::Arc};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Edge, Origin, eventually, get_request};

const NAME: &str = "shop.example";

/// A certificate in files.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> (Self, CertificateDer<'static>) {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let certificate = files.renew();
        (files, certificate)
    }

    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        std::fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(self.cert(), made.cert.pem()).unwrap();
        made.cert.der().clone()
    }

    fn cert(&self) -> PathBuf {
        self.folder.path().join("edge.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("edge.key")
    }

    async fn edge(&self, origin: &Origin) -> Edge {
        self.edge_with(origin, &[]).await
    }

    async fn edge_with(&self, origin: &Origin, more: &[&str]) -> Edge {
        let (cert, key) = (self.cert(), self.key());
        let tls = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        Edge::start(origin, &[&tls[..], more].concat()).await
    }
}

fn config(wanted: &CertificateDer<'static>, protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(wanted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

/// `None`: the edge shows another certificate than this one.
async fn connect(edge: &Edge, wanted: &CertificateDer<'static>, protocol: &[u8]) -> Option<TlsStream<TcpStream>> {
    let stream = edge.connect().await;
    TlsConnector::from(config(wanted, protocol)).connect(NAME.try_into().unwrap(), stream).await.ok()
}

/// Asks over HTTP/1.1, for the last time on this connection.
async fn ask_last(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = get_request(path).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    String::from_utf8(all).unwrap()
}

/// Sends a request in the packet that ends the handshake.
fn ask_at_once(edge: std::net::SocketAddr, wanted: &CertificateDer<'static>) -> String {
    use std::io::{Read, Write};
    let mut connection = rustls::ClientConnection::new(config(wanted, b"http/1.1"), NAME.try_into().unwrap()).unwrap();
    let request = get_request("/v1/products/a").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    // Kept until there are keys to send it with.
    connection.writer().write_all(request.as_bytes()).unwrap();
    let mut tcp = std::net::TcpStream::connect(edge).unwrap();
    tcp.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let mut said = String::new();
    rustls::Stream::new(&mut connection, &mut tcp).read_to_string(&mut said).unwrap();
    said
}

type Sender = http2::SendRequest<Empty<Bytes>>;

async fn connect_h2(edge: &Edge, wanted: &CertificateDer<'static>) -> Sender {
    connect_h2_with(edge, wanted, 64 * 1024).await
}

/// `window`: bytes of a body that the edge may send before more are asked for.
async fn connect_h2_with(edge: &Edge, wanted: &CertificateDer<'static>, window: u32) -> Sender {
    let stream = connect(edge, wanted, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.initial_stream_window_size(window).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let builder = Request::get(format!("https://{NAME}{path}"));
    headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(Empty::new()).unwrap()
}

async fn ask_h2(sender: &mut Sender, request: Request<Empty<Bytes>>) -> (u16, http::HeaderMap, String) {
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_are_spoken_and_pages_ask_for_tls_from_now_on() {
    let origin = Origin::start().await;
    let (files, certificate) = Files::new();
    let (edge, plain) = (files.edge(&origin).await, Edge::start(&origin, &[]).await);
    for path in ["/register", "/v1/products/a"] {
        let mut stream = connect(&edge, &certificate, b"http/1.1").await.unwrap();
        let said = ask_last(&mut stream, path).await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        assert_eq!(said.contains("strict-transport-security: max-age="), path == "/register", "{said}");
    }
    let mut stream = plain.connect().await;
    let (head, _) = super::ask(&mut stream, "/register").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("strict-transport-security"), "{head}");

    let address = edge.address;
    let wanted = certificate.clone();
    let said = tokio::task::spawn_blocking(move || ask_at_once(address, &wanted)).await.unwrap();
    assert!(said.ends_with("product a"), "{said}");

    let mut sender = connect_h2(&edge, &certificate).await;
    let (status, headers, _) = ask_h2(&mut sender, request("/register", &[])).await;
    assert!(status == 200 && headers.contains_key("strict-transport-security"), "{headers:?}");
    let many = (0..50).map(|nth| {
        let mut sender = sender.clone();
        tokio::spawn(async move { ask_h2(&mut sender, request(&format!("/v1/products/{nth}"), &[])).await.2 })
    });
    for (nth, asked) in many.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(asked.await.unwrap(), format!("product {nth}"));
    }
    // In pieces here, in one line for whoever looks into it.
    let (_, _, body) = ask_h2(&mut sender, request("/v1/cart", &[("cookie", "a=1"), ("cookie", "b=2")])).await;
    assert_eq!(body, "took 0 with [\"a=1; b=2\"]");
    let (status, _, body) = ask_h2(&mut sender, request("/v1/cart", &[("host", "other.example")])).await;
    assert!(status == 400 && body.contains("one Host"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let origin = Origin::start().await;
    let (files, old) = Files::new();
    let edge = files.edge(&origin).await;
    let mut kept = connect(&edge, &old, b"http/1.1").await.unwrap();
    std::fs::write(files.key(), "no key").unwrap();
    eventually(async || edge.metric("tls_reloads_total").await >= 1.0).await;
    assert!(connect(&edge, &old, b"http/1.1").await.is_some());
    let new = files.renew();
    eventually(async || connect(&edge, &new, b"http/1.1").await.is_some()).await;
    assert!(connect(&edge, &old, b"http/1.1").await.is_none());
    assert!(ask_last(&mut kept, "/v1/products/a").await.ends_with("product a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_certificate_is_named_at_the_start() {
    use clap::Parser;
    let (files, _) = Files::new();
    let other = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    std::fs::write(files.key(), other.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (files.cert(), files.key());
    let mut line = vec!["edge", "--region", "eu", "--catalog", "127.0.0.1:9", "--orders", "eu=127.0.0.1:9"];
    line.extend(["--inventory", "eu=127.0.0.1:9", "--inventory-plaintext"]);
    line.extend(["--tls-cert", cert.to_str().unwrap()]);
    assert!(storefront_edge::Config::try_parse_from(&line).is_err(), "half of the flags were taken");
    line.extend(["--tls-key", key.to_str().unwrap()]);
    let listeners = storefront_service::Listeners::loopback().await.unwrap();
    let config = storefront_edge::Config::parse_from(&line);
    let error = storefront_edge::run(config, listeners, tokio_util::sync::CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("edge.key is not the key of"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_do_not_end_are_ended_and_hurt_nobody() {
    let origin = Origin::start().await;
    let (files, certificate) = Files::new();
    let edge = files.edge(&origin).await;
    let mut stuck = Vec::new();
    for nth in 0..300 {
        let mut stream = edge.connect().await;
        if nth % 2 == 0 {
            stream.write_all(&[22, 3]).await.unwrap();
        }
        stuck.push(stream);
    }
    for _ in 0..20 {
        let mut stream = connect(&edge, &certificate, b"http/1.1").await.unwrap();
        assert!(ask_last(&mut stream, "/v1/products/a").await.ends_with("product a"));
    }
    for mut stream in stuck {
        assert_eq!(super::until_closed(&mut stream).await, "");
    }
    // A request in plaintext is no handshake either.
    let mut stream = edge.connect().await;
    stream.write_all(get_request("/").as_bytes()).await.unwrap();
    assert!(!super::until_closed(&mut stream).await.contains("HTTP"));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_under_way_are_answered_when_the_edge_stops() {
    let origin = Origin::start().await;
    let (files, certificate) = Files::new();
    let mut edge = files.edge(&origin).await;
    let mut sender = connect_h2(&edge, &certificate).await;
    assert_eq!(ask_h2(&mut sender, request("/v1/products/a", &[])).await.2, "product a");
    let held = sender.send_request(request("/v1/orders/held", &[]));
    eventually(async || origin.waiting.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    edge.stop.cancel();
    eventually(async || TcpStream::connect(edge.address).await.is_err()).await;
    origin.held.add_permits(1);
    let body = held.await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "held");
    (&mut edge.ended).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_opens_no_window_is_cut_off_and_one_who_waits_is_not() {
    let origin = Origin::start().await;
    let (files, certificate) = Files::new();
    let edge = files.edge_with(&origin, &["--stall-limit-s", "1"]).await;
    let mut patient = connect_h2(&edge, &certificate).await;
    let held = patient.send_request(request("/v1/orders/held", &[]));
    eventually(async || origin.waiting.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    // One takes nothing of a body, the other a byte of a piece that HTTP/2 has whole by then.
    let mut stuck = Vec::new();
    for window in [0, 1] {
        let mut sender = connect_h2_with(&edge, &certificate, window).await;
        let answer = sender.send_request(request("/v1/products/a", &[])).await.unwrap();
        assert_eq!(answer.status(), 200);
        stuck.push((sender, answer));
    }
    eventually(async || stuck[0].0.is_closed()).await;
    origin.held.add_permits(1);
    // From the service or, where that took too long, from the edge.
    assert!(held.await.is_ok(), "a request that is being answered was cut off");
    assert_eq!(ask_h2(&mut patient, request("/v1/products/a", &[])).await.2, "product a");
    edge.stop.cancel();
    eventually(async || stuck[1].0.is_closed()).await;
}
