//! The identity of this process: what the files said last, looked at again while the process runs.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    ClientConfig, ServerConfig,
    client::{ResolvesClientCert, Resumption},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::TLS13,
};

use crate::{
    Acceptor, PeerName, TlsError, TlsPaths,
    files::{Loaded, Stamp, provider},
    follow::{Followed, follow},
    verify::{Verifier, Wanted},
};

/// Cheap to clone. Every connection that begins uses what was loaded last.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    paths: TlsPaths,
    current: RwLock<Arc<Loaded>>,
}

impl Inner {
    pub(crate) fn current(&self) -> Arc<Loaded> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tls {
    /// Reads the files. Each is wrong in a way that the error names, or all are right: the key is the certificate's, an authority
    /// of the CA file has signed it, it has begun and not ended.
    pub fn open(paths: TlsPaths) -> Result<Self, TlsError> {
        let loaded = paths.load()?;
        Ok(Self(Arc::new(Inner { paths, current: RwLock::new(Arc::new(loaded)) })))
    }

    /// The same, and the certificate must name this node.
    pub fn open_node(paths: TlsPaths, cluster: &str, id: u64) -> Result<Self, TlsError> {
        let wanted = PeerName::node(cluster, id).map_err(|source| TlsError::Name { path: paths.cert.clone(), source })?;
        let tls = Self::open(paths)?;
        let found = tls.name();
        if found != wanted {
            return Err(TlsError::OtherName { path: tls.0.paths.cert.clone(), found, wanted: wanted.to_string() });
        }
        Ok(tls)
    }

    pub fn name(&self) -> PeerName {
        self.0.current().name.clone()
    }

    /// End of the own certificate in seconds since 1970, if it has one.
    pub fn not_after(&self) -> Option<u64> {
        self.0.current().not_after
    }

    /// Looks at the files every 2 s as long as anybody uses this identity. Must be called inside a runtime.
    #[must_use]
    pub fn followed(self) -> Self {
        tokio::spawn(follow(Arc::downgrade(&self.0), self.0.paths.stamp()));
        self
    }

    /// For a port; its name is the label of what is counted there.
    pub fn acceptor(&self, wanted: Wanted, port: &'static str) -> Acceptor {
        let resolver = Arc::new(Resolver(self.0.clone()));
        let verifier = Arc::new(Verifier::new(self.0.clone(), wanted));
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
        // ring has TLS 1.3; a provider without it would not compile into `provider`.
        let builder = builder.unwrap_or_else(|error| unreachable!("ring and TLS 1.3: {error}"));
        let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
        // A resumed session would skip the check of the certificate, also of one that is not to be believed any more.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Acceptor::new(Arc::new(config), port)
    }

    /// For connections to whom is wanted.
    pub(crate) fn client_config(&self, wanted: Wanted) -> Arc<ClientConfig> {
        let resolver = Arc::new(Resolver(self.0.clone()));
        let verifier = Arc::new(Verifier::new(self.0.clone(), wanted));
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
        let builder = builder.unwrap_or_else(|error| unreachable!("ring and TLS 1.3: {error}"));
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = builder.with_client_cert_resolver(resolver);
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Arc::new(config)
    }
}

fn tell(loaded: &Loaded) {
    if let Some(not_after) = loaded.not_after {
        metrics::gauge!("tls_certificate_not_after_seconds").set(not_after as f64);
    }
}

impl Followed for Inner {
    fn stamp(&self) -> Stamp {
        self.paths.stamp()
    }

    fn tell(&self) {
        tell(&self.current());
    }

    fn reload(&self) -> bool {
        reload(self)
    }
}

/// Whether the new files are in use now.
fn reload(inner: &Inner) -> bool {
    let old = inner.current();
    let loaded = inner.paths.load().and_then(|new| {
        let (found, wanted) = (new.name.clone(), old.name.to_string());
        if new.name == old.name { Ok(new) } else { Err(TlsError::OtherName { path: inner.paths.cert.clone(), found, wanted }) }
    });
    match loaded {
        Ok(new) => {
            tracing::info!(name = %new.name, not_after = new.not_after, "new certificates are in use");
            *inner.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
            true
        }
        Err(error) => {
            tracing::error!(%error, "the new certificates are not used; the old ones stay in use");
            false
        }
    }
}

/// Presents the certificate that was loaded last.
#[derive(Debug)]
struct Resolver(Arc<Inner>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current().key.clone())
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current().key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
