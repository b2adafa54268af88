//! Whom a connection is for: signed by an authority, and of the right name.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{
    NameError, PeerName,
    files::{Loaded, provider},
    identity::Inner,
};

/// Who may be at the other end. The cluster is that of the own certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This node and no other.
    Node(u64),
    /// Any node but this one itself: two nodes of one id must not hear each other.
    OtherNode,
    /// Any node.
    AnyNode,
    /// A node or a client.
    Member,
}

/// A certificate that an authority has signed, of somebody else than wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongName {
    #[error(transparent)]
    Unnamed(NameError),
    #[error("{found} is of another cluster than {own}")]
    OtherCluster { found: PeerName, own: PeerName },
    #[error("{found} is not node {wanted}")]
    OtherNode { found: PeerName, wanted: u64 },
    #[error("{found} is no node")]
    NotANode { found: PeerName },
    #[error("{found} has the id of this node")]
    OwnId { found: PeerName },
}

impl Wanted {
    pub(crate) fn check(self, found: PeerName, own: &PeerName) -> Result<(), WrongName> {
        if found.cluster() != own.cluster() {
            return Err(WrongName::OtherCluster { found, own: own.clone() });
        }
        match (self, found.node_id()) {
            (Self::Member, _) | (Self::AnyNode, Some(_)) => Ok(()),
            (_, None) => Err(WrongName::NotANode { found }),
            (Self::Node(wanted), Some(id)) if id == wanted => Ok(()),
            (Self::Node(wanted), Some(_)) => Err(WrongName::OtherNode { found, wanted }),
            (Self::OtherNode, Some(id)) if own.node_id() == Some(id) => Err(WrongName::OwnId { found }),
            (Self::OtherNode, Some(_)) => Ok(()),
        }
    }
}

/// Checks by the certificates that were loaded last.
#[derive(Debug)]
pub(crate) struct Verifier {
    inner: Arc<Inner>,
    wanted: Wanted,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(crate) fn new(inner: Arc<Inner>, wanted: Wanted) -> Self {
        Self { inner, wanted, provider: provider() }
    }

    fn check_name(&self, certificate: &CertificateDer<'_>, loaded: &Loaded) -> Result<(), Error> {
        let checked = PeerName::of(certificate).map_err(WrongName::Unnamed);
        let checked = checked.and_then(|found| self.wanted.check(found, &loaded.name));
        checked.map_err(|wrong| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(wrong)))))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let loaded = self.inner.current();
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &loaded.roots, intermediates, now, algorithms)?;
        self.check_name(end_entity, &loaded)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    /// None: a caller has one certificate and presents it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let loaded = self.inner.current();
        let verified = loaded.callers.verify_client_cert(end_entity, intermediates, now)?;
        self.check_name(end_entity, &loaded)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_wanted_gets_through() {
        let name = |text: &str| text.parse::<PeerName>().unwrap();
        let own = name("storefront://c/node/1");
        let check = |wanted: Wanted, text: &str| wanted.check(name(text), &own);
        let (two, client) = ("storefront://c/node/2", "storefront://c/client");
        assert!(check(Wanted::Node(2), two).is_ok() && check(Wanted::AnyNode, two).is_ok());
        assert!(check(Wanted::OtherNode, two).is_ok() && check(Wanted::Member, two).is_ok());
        assert!(check(Wanted::Member, client).is_ok() && check(Wanted::AnyNode, "storefront://c/node/1").is_ok());
        assert!(matches!(check(Wanted::Node(3), two), Err(WrongName::OtherNode { wanted: 3, .. })));
        assert!(matches!(check(Wanted::OtherNode, "storefront://c/node/1"), Err(WrongName::OwnId { .. })));
        for wanted in [Wanted::Node(2), Wanted::OtherNode, Wanted::AnyNode] {
            assert!(matches!(check(wanted, client), Err(WrongName::NotANode { .. })));
        }
        for wanted in [Wanted::Node(2), Wanted::OtherNode, Wanted::AnyNode, Wanted::Member] {
            assert!(matches!(check(wanted, "storefront://d/node/2"), Err(WrongName::OtherCluster { .. })));
        }
    }
}
