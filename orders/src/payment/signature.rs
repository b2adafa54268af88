//! Signed webhooks, in the scheme of Stripe: `t=<seconds>,v1=<hex HMAC-SHA256 of "<seconds>.<body>">`. Pure.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How old, or how far ahead, a signature may be: what Stripe's own libraries allow.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Signatures looked at: a provider sends two while its secret is changed.
const MAX_SIGNATURES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("the signature header has no time, or no v1 signature")]
    Malformed,
    #[error("the signature is more than {TOLERANCE:?} old or ahead; are the clocks right?")]
    OutOfTime,
    #[error("no signature is of this endpoint's secret")]
    Forged,
}

fn mac(secret: &[u8], at_s: i64, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(at_s.to_string().as_bytes()).chain_update(b".").chain_update(body))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (text.len() == 64 && text.is_ascii()).then(|| (0..64).step_by(2).map(pair).collect())?
}

/// The header for a body sent at a time.
pub(crate) fn sign(secret: &[u8], at_s: i64, body: &[u8]) -> String {
    let tag = mac(secret, at_s, body).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at_s},v1={hex}")
}

/// Compares in constant time.
pub(crate) fn verify(secret: &[u8], header: &str, body: &[u8], now_s: i64) -> Result<(), SignatureError> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let at = parts().find(|(name, _)| *name == "t").and_then(|(_, at)| at.parse::<i64>().ok());
    let mut given = parts().filter(|(name, _)| *name == "v1").take(MAX_SIGNATURES).peekable();
    let (Some(at), true) = (at, given.peek().is_some()) else { return Err(SignatureError::Malformed) };
    let fits = |tag: &str| {
        let (Some(tag), Some(mac)) = (unhex(tag), mac(secret, at, body)) else { return false };
        mac.verify_slice(&tag).is_ok()
    };
    if !given.any(|(_, tag)| fits(tag)) {
        return Err(SignatureError::Forged);
    }
    // Looked at last: only who has the secret learns whether the time was wrong.
    if now_s.abs_diff(at) > TOLERANCE.as_secs() { Err(SignatureError::OutOfTime) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"whsec_test";

    #[test]
    fn only_this_body_from_whom_has_the_secret_and_now() {
        let header = sign(SECRET, 1_000, b"{}");
        assert_eq!(verify(SECRET, &header, b"{}", 1_000), Ok(()));
        assert_eq!(verify(SECRET, &header, b"{} ", 1_000), Err(SignatureError::Forged));
        assert_eq!(verify(b"other", &header, b"{}", 1_000), Err(SignatureError::Forged));
        assert_eq!(verify(SECRET, &header.replace("t=1000", "t=1001"), b"{}", 1_000), Err(SignatureError::Forged));
        assert_eq!(verify(SECRET, &header, b"{}", 1_300), Ok(()));
        assert_eq!(verify(SECRET, &header, b"{}", 1_301), Err(SignatureError::OutOfTime));
        assert_eq!(verify(SECRET, &header, b"{}", 600), Err(SignatureError::OutOfTime));
        for malformed in ["", "t=1", "v1=00", "t=x,v1=00", "nonsense"] {
            assert_eq!(verify(SECRET, malformed, b"{}", 1_000), Err(SignatureError::Malformed), "{malformed}");
        }
    }

    /// As computed by an independent program: `printf '12345.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn it_is_stripes_scheme() {
        let header = sign(SECRET, 12_345, br#"{"id":"evt_1"}"#);
        assert_eq!(header, "t=12345,v1=8c990f992d95eb2978e78609f4caf526f4191a35a20d6ab00c821fc4f95c6338");
    }

    #[test]
    fn a_second_signature_may_be_the_right_one() {
        let good = sign(SECRET, 50, b"x");
        let tag = good.split_once("v1=").unwrap().1;
        let header = format!("t=50,v0=abc,v1={},v1={tag}", "0".repeat(64));
        assert_eq!(verify(SECRET, &header, b"x", 50), Ok(()));
    }
}
