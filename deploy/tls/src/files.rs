//! The three files: read, and taken only as a whole that works.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};

use crate::{NameError, PeerName, Role};

/// Largest file: a bundle of some 100 authorities.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Later than any certificate: the end of the year 9999, which RFC 5280 uses for "never".
const NEVER: Duration = Duration::from_secs(253_402_300_799 + 1);

/// Certificates and key in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPaths {
    /// Authorities that others' certificates are signed by; one or several.
    pub ca: PathBuf,
    /// Own certificate, then the intermediate ones.
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Why certificates are not used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "neither certificates nor --{0}plaintext: give --{0}tls-ca, --{0}tls-cert and --{0}tls-key, or --{0}plaintext if \
         whoever reaches the ports may read and change stock"
    )]
    Neither(&'static str),
    #[error("--{0}plaintext and certificates at once: leave one out")]
    Both(&'static str),
    #[error("--{0}tls-ca, --{0}tls-cert and --{0}tls-key go together; --{0}{1} is missing")]
    Incomplete(&'static str, &'static str),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} has over {MAX_FILE_BYTES} bytes")]
    TooLarge { path: PathBuf },
    #[error("{path} has no {what} in PEM")]
    NotPem { path: PathBuf, what: &'static str },
    #[error("{path}: {reason}")]
    Unusable { path: PathBuf, reason: String },
    #[error("{path} is not the key of {cert}")]
    OtherKey { path: PathBuf, cert: PathBuf },
    #[error("{path}: {source}")]
    Name { path: PathBuf, source: NameError },
    #[error("this machine has no authorities that certificates are signed by ({reason}); name a file of them with --origin-ca")]
    NoAuthorities { reason: String },
    #[error("{path} names {found}, this is {wanted}")]
    OtherName { path: PathBuf, found: PeerName, wanted: String },
}

/// What lies on the disk, to see whether it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<(SystemTime, u64, u64)>>);

impl Stamp {
    /// Follows links, so that a directory swapped by a link is seen.
    pub(crate) fn of(paths: &[&Path]) -> Self {
        let one = |path: &&Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len(), found.ino()))
        };
        Self(paths.iter().map(one).collect())
    }
}

/// The files' content, checked.
pub(crate) struct Loaded {
    pub(crate) name: PeerName,
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) callers: Arc<dyn ClientCertVerifier>,
    /// End of the own certificate, seconds since 1970.
    pub(crate) not_after: Option<u64>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("name", &self.name).field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl TlsPaths {
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::of(&[&self.ca, &self.cert, &self.key])
    }

    pub(crate) fn load(&self) -> Result<Loaded, TlsError> {
        let roots = self.roots()?;
        let (key, name) = self.key()?;
        let unusable = |error: Error| TlsError::Unusable { path: self.cert.clone(), reason: explain(&error) };
        let callers = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider()).build();
        let callers = callers.map_err(|error| TlsError::Unusable { path: self.ca.clone(), reason: error.to_string() })?;
        let (own, rest) = key.cert.split_first().ok_or(TlsError::NotPem { path: self.cert.clone(), what: "certificate" })?;
        let now = UnixTime::now();
        callers.verify_client_cert(own, rest, now).map_err(unusable)?;
        if let Role::Node(_) = name.role() {
            let parsed = ParsedCertificate::try_from(own).map_err(unusable)?;
            let algorithms = ring::default_provider().signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &roots, rest, now, algorithms).map_err(unusable)?;
        }
        // Checked as of a day that none lives to see, a certificate is refused with its end.
        let not_after = match callers.verify_client_cert(own, rest, UnixTime::since_unix_epoch(NEVER)) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => Some(not_after.as_secs()),
            _ => None,
        };
        Ok(Loaded { name, key: Arc::new(key), roots, callers, not_after })
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        authorities(&self.ca).map(Arc::new)
    }

    fn key(&self) -> Result<(CertifiedKey, PeerName), TlsError> {
        let key = certified_key(&self.cert, &self.key)?;
        let own = key.cert.first().ok_or(TlsError::NotPem { path: self.cert.clone(), what: "certificate" })?;
        let name = PeerName::of(own).map_err(|source| TlsError::Name { path: self.cert.clone(), source })?;
        Ok((key, name))
    }
}

/// A certificate with those above it, and its key.
pub(crate) fn certified_key(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(cert)?;
    let no_key = |_| TlsError::NotPem { path: key.to_owned(), what: "private key" };
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(no_key)?;
    CertifiedKey::from_der(chain, secret, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => TlsError::OtherKey { path: key.to_owned(), cert: cert.to_owned() },
        error => TlsError::Unusable { path: key.to_owned(), reason: error.to_string() },
    })
}

/// Authorities from a file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let reason = |error: Error| TlsError::Unusable { path: path.to_owned(), reason: error.to_string() };
        roots.add(certificate).map_err(reason)?;
    }
    Ok(roots)
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::NotPem { path: path.to_owned(), what: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(not_pem)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    use io::Read;
    let failed = |source| TlsError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// A certificate's fault in words that an operator can act on.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "no authority in the CA file has signed it".to_owned(),
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the authority in the CA file has the name of the one that signed it, and another key".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "it has ended".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "it has not begun; look at the clocks".to_owned()
        }
        error => error.to_string(),
    }
}
