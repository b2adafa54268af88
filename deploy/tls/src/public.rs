//! The certificate of a public port, where anybody may call and nobody shows one.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    TlsError,
    files::{Stamp, certified_key, provider},
    follow::{Followed, follow},
};

/// Cheap to clone. Every connection that begins uses what was loaded last.
#[derive(Clone, Debug)]
pub struct PublicTls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl PublicTls {
    /// Reads a certificate, those above it behind it, and its key. Each is wrong in a way that the error names, or both are right.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(certified_key(cert, key)?));
        Ok(Self(Arc::new(Inner { cert: cert.to_owned(), key: key.to_owned(), current })))
    }

    /// Looks at the files every 2 s as long as anybody uses this certificate. Must be called inside a runtime.
    #[must_use]
    pub fn followed(self) -> Self {
        tokio::spawn(follow(Arc::downgrade(&self.0), self.0.stamp()));
        self
    }

    /// TLS 1.2 and 1.3 with these protocols, the best first. Nothing is taken before the handshake has ended: such requests could
    /// be sent again by others.
    pub fn server_config(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let unusable = |error: rustls::Error| TlsError::Unusable { path: self.0.cert.clone(), reason: error.to_string() };
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(unusable)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Resolver(self.0.clone())));
        // Callers come back to another thread, which has to take up their session: the ticket carries it.
        config.ticketer = Ticketer::new().map_err(unusable)?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl Followed for Inner {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[&self.cert, &self.key])
    }

    /// Nothing: the end of a public certificate is watched from outside, as callers see it.
    fn tell(&self) {}

    fn reload(&self) -> bool {
        match certified_key(&self.cert, &self.key) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!(certificate = %self.cert.display(), "the new public certificate is in use");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the new public certificate is not used; the old one stays in use");
                false
            }
        }
    }
}

/// Presents the certificate that was loaded last.
#[derive(Debug)]
struct Resolver(Arc<Inner>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
