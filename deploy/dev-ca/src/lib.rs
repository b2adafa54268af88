//! A certificate authority in a directory, for a cluster on a developer's machine and for tests.
//!
//! Owns: the authority's key and certificate, and those it has issued. Must not: be used where others can read the directory, or
//! where certificates have to be revoked; operators have an authority of their own.

mod files;

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use storefront_tls::{PeerName, Role, Tls, TlsPaths};
use time::{Duration, OffsetDateTime};

/// An authority is made once; whoever wants another one removes its directory.
const CA_LIFE: Duration = Duration::days(20 * 365);

/// A certificate, and how long before its end it is replaced.
const LIFE: Duration = Duration::days(365);
const RENEW_BEFORE: Duration = Duration::days(90);

/// Certificates begin a little earlier than now: clocks of containers differ.
const CLOCKS_DIFFER: Duration = Duration::hours(1);

#[derive(Debug, thiserror::Error)]
pub enum DevCaError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is damaged ({reason}); remove {directory} and start everything again, a new authority is then made")]
    Damaged { path: PathBuf, directory: PathBuf, reason: String },
    #[error("a certificate could not be made: {0}")]
    NotMade(#[from] rcgen::Error),
}

/// The authority. Keys are readable by their owner alone.
pub struct DevCa {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl DevCa {
    /// The authority of a directory; made if there is none.
    pub fn open(directory: &Path) -> Result<Self, DevCaError> {
        files::make_private(directory)?;
        let (key_file, certificate_file) = (directory.join("ca.key"), directory.join("ca.pem"));
        let directory = directory.to_owned();
        if let Some(pem) = files::read(&key_file)? {
            let damaged =
                |path: &Path, reason: String| DevCaError::Damaged { path: path.to_owned(), directory: directory.clone(), reason };
            let key = KeyPair::from_pem(&pem).map_err(|error| damaged(&key_file, error.to_string()))?;
            if files::read(&certificate_file)?.is_some() {
                return Ok(Self { directory, issuer: Issuer::new(authority(), key) });
            }
            return Err(damaged(&certificate_file, "it is missing".to_owned()));
        }
        let key = KeyPair::generate()?;
        let now = OffsetDateTime::now_utc();
        let mut params = authority();
        (params.not_before, params.not_after) = (now - CLOCKS_DIFFER, now + CA_LIFE);
        let certificate = params.self_signed(&key)?;
        files::write(&certificate_file, certificate.pem().as_bytes(), false)?;
        // Last: an authority that has its key is whole.
        files::write(&key_file, key.serialize_pem().as_bytes(), true)?;
        Ok(Self { directory, issuer: Issuer::new(authority(), key) })
    }

    /// Key and certificate of somebody in files of this stem: those that are there as long as they are good for some time, else
    /// new ones.
    pub fn identity(&self, stem: &str, name: &PeerName) -> Result<TlsPaths, DevCaError> {
        let now = OffsetDateTime::now_utc();
        let paths = self.paths(stem);
        let enough = u64::try_from((now + RENEW_BEFORE).unix_timestamp()).unwrap_or_default();
        let is_good = |found: &Tls| found.name() == *name && found.not_after().is_none_or(|end| end > enough);
        if Tls::open(paths.clone()).is_ok_and(|found| is_good(&found)) {
            return Ok(paths);
        }
        self.issue(stem, name, now - CLOCKS_DIFFER..now + LIFE)
    }

    /// New ones in any case, of this validity. Who follows the files takes them up.
    pub fn issue(&self, stem: &str, name: &PeerName, valid: Range<OffsetDateTime>) -> Result<TlsPaths, DevCaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.to_string());
        params.subject_alt_names = vec![SanType::URI(name.to_string().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if let Role::Node(_) = name.role() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (valid.start, valid.end);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let paths = self.paths(stem);
        files::write(&paths.key, key.serialize_pem().as_bytes(), true)?;
        files::write(&paths.cert, certificate.pem().as_bytes(), false)?;
        Ok(paths)
    }

    fn paths(&self, stem: &str) -> TlsPaths {
        let of = |ending: &str| self.directory.join(format!("{stem}.{ending}"));
        TlsPaths { ca: self.directory.join("ca.pem"), cert: of("pem"), key: of("key") }
    }
}

/// Always the same but for its life, so that the key alone brings the issuer back.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "storefront development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn name(text: &str) -> PeerName {
        text.parse().unwrap()
    }

    #[test]
    fn an_authority_is_made_once_and_what_it_issued_is_kept_while_it_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("tls");
        let one = name("storefront://c/node/1");
        let first = DevCa::open(&directory).unwrap().identity("node-1", &one).unwrap();
        let before = (fs::read(&first.ca).unwrap(), fs::read(&first.cert).unwrap(), fs::read(&first.key).unwrap());
        let ca = DevCa::open(&directory).unwrap();
        assert_eq!(ca.identity("node-1", &one).unwrap(), first);
        assert_eq!((fs::read(&first.ca).unwrap(), fs::read(&first.cert).unwrap(), fs::read(&first.key).unwrap()), before);
        for file in [&first.key, &directory.join("ca.key")] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        // Another name, an end that is near, or a file that is gone: new ones, by the same authority.
        let two = name("storefront://c/node/2");
        assert_eq!(Tls::open(ca.identity("node-1", &two).unwrap()).unwrap().name(), two);
        let now = OffsetDateTime::now_utc();
        let short = ca.issue("node-1", &two, now - CLOCKS_DIFFER..now + Duration::days(30)).unwrap();
        let end = Tls::open(short.clone()).unwrap().not_after().unwrap();
        assert!(Tls::open(ca.identity("node-1", &two).unwrap()).unwrap().not_after().unwrap() > end);
        fs::remove_file(&short.key).unwrap();
        assert!(Tls::open(ca.identity("node-1", &two).unwrap()).is_ok());
        assert_eq!(fs::read(&first.ca).unwrap(), before.0);
    }

    #[test]
    fn a_damaged_authority_is_named() {
        let folder = tempfile::tempdir().unwrap();
        DevCa::open(folder.path()).unwrap();
        let key = folder.path().join("ca.key");
        fs::write(&key, "no key").unwrap();
        let Err(error) = DevCa::open(folder.path()) else { panic!("a damaged key was taken") };
        assert!(error.to_string().contains("ca.key is damaged"), "{error}");
    }
}
