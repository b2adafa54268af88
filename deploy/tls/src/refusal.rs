//! What is said and counted when a connection is refused.

use std::{
    error::Error as StdError,
    fmt, io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{AlertDescription, CertificateError, Error};

use crate::{files::explain, verify::WrongName};

/// Lines a second about refused connections. Whoever knocks must not fill the log; all are counted.
const LINES_PER_SECOND: u32 = 10;

/// The label of the metric, and the word to look for in the log.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::NoCertificatesPresented => "no_certificate",
        Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => "unknown_ca",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not_yet_valid",
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "wrong_purpose",
            CertificateError::Other(other) => match other.0.downcast_ref::<WrongName>() {
                Some(WrongName::Unnamed(_)) => "no_name",
                Some(WrongName::OtherCluster { .. }) => "other_cluster",
                Some(WrongName::OtherNode { .. }) => "other_node",
                Some(WrongName::NotANode { .. }) => "not_a_node",
                Some(WrongName::OwnId { .. }) => "own_node_id",
                None => "bad_certificate",
            },
            _ => "bad_certificate",
        },
        Error::AlertReceived(_) => "refused_by_peer",
        Error::InvalidMessage(_) => "not_tls",
        _ => "handshake_failed",
    }
}

fn detail(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string(),
        Error::NoCertificatesPresented => "it presented no certificate".to_owned(),
        error => explain(error),
    }
}

/// The TLS error at the root of an I/O error or of one that wraps it.
pub(crate) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    // Errors of a connection are nested some five deep; the bound is for one that contains itself.
    for _ in 0..16 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // An I/O error's source is that of the error within, not the error within.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Why the other side has refused this one, if it was over certificates. It has then done nothing of what it was asked.
pub(crate) fn refused_us(error: &(dyn StdError + 'static)) -> Option<String> {
    let Some(Error::AlertReceived(alert)) = tls_error(error) else { return None };
    let over_certificates = matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            // Of an authority of the right name and another key.
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
    );
    over_certificates.then(|| format!("it refuses this certificate ({alert:?}); its log says why"))
}

/// Why this side has refused the other one's certificate, before it has asked anything.
pub(crate) fn refused_them(error: &(dyn StdError + 'static)) -> Option<String> {
    tls_error(error).filter(|error| matches!(error, Error::InvalidCertificate(_))).map(detail)
}

/// Counts a refused connection and says whom and why.
pub(crate) fn tell(port: &'static str, remote: &dyn fmt::Display, error: &io::Error) {
    match tls_error(error) {
        Some(error) => tell_reason(port, remote, reason(error), &detail(error)),
        // Gone before it said anything: a port scan, a probe, a client that gave up.
        None => tracing::debug!(port, %remote, %error, "a connection ended within its handshake"),
    }
}

pub(crate) fn tell_reason(port: &'static str, remote: &dyn fmt::Display, reason: &'static str, detail: &str) {
    metrics::counter!("tls_refused_total", "port" => port, "reason" => reason).increment(1);
    if may_speak() {
        tracing::warn!(port, %remote, reason, detail, "refused a TLS connection");
    }
}

fn may_speak() -> bool {
    static SPOKEN: Mutex<Option<(Instant, u32)>> = Mutex::new(None);
    let mut spoken = SPOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (since, lines) = spoken.get_or_insert_with(|| (Instant::now(), 0));
    if since.elapsed() > Duration::from_secs(1) {
        (*since, *lines) = (Instant::now(), 0);
    }
    *lines += 1;
    *lines <= LINES_PER_SECOND
}
