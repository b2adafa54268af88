//! Certificates of a test's own cluster, and somebody who knocks with any certificate or none.

use std::{path::Path, sync::Arc};

use dev_ca::DevCa;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    version::TLS13,
};
use storefront_tls::{Tls, TlsPaths};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Who the members of a cluster `test` are, and one client of it.
pub(crate) struct Identities {
    pub(crate) ca: DevCa,
    pub(crate) nodes: Vec<TlsPaths>,
    pub(crate) client_files: TlsPaths,
    pub(crate) client: Tls,
}

impl Identities {
    pub(crate) fn new(directory: &Path) -> Self {
        let ca = DevCa::open(directory).unwrap();
        let node = |id: u64| issue(&ca, &format!("node-{id}"), &format!("storefront://test/node/{id}"));
        let nodes = (1..=3).map(node).collect();
        let client_files = issue(&ca, "client", "storefront://test/client");
        let client = Tls::open(client_files.clone()).unwrap().followed();
        Self { ca, nodes, client_files, client }
    }
}

pub(crate) fn issue(ca: &DevCa, stem: &str, name: &str) -> TlsPaths {
    ca.identity(stem, &name.parse().unwrap()).unwrap()
}

/// Flags of a node.
pub(crate) fn security(files: Option<&TlsPaths>) -> Vec<String> {
    let Some(files) = files else { return vec!["--plaintext".to_owned()] };
    let flag = |name: &str, path: &Path| [name.to_owned(), path.to_str().unwrap().to_owned()];
    [flag("--tls-ca", &files.ca), flag("--tls-cert", &files.cert), flag("--tls-key", &files.key)].concat()
}

/// Takes any server, because it is the server's check that is tested.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Shows a certificate or none, sends a request on the new connection, and reads to the end: the answer, or why there is none.
pub(crate) async fn knock(address: &str, shows: Option<&TlsPaths>, request: &[u8]) -> Result<String, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13]).unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let config = match shows {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap()).unwrap()
        }
    };
    let tcp = TcpStream::connect(address).await.unwrap();
    let why = |error: std::io::Error| error.to_string();
    let name = ServerName::try_from("anybody").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(why)?;
    let mut answer = Vec::new();
    // Refused meanwhile, writing may fail as well; what is read says why.
    let _ = stream.write_all(request).await;
    stream.read_to_end(&mut answer).await.map_err(why)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
