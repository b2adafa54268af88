//! Session tokens: `<home region>_<43 characters of base64url>`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use storefront_types::Region;

#[derive(Clone)]
pub(crate) struct SessionToken(String);

impl SessionToken {
    /// A fresh one: 256 random bits. Fails only when the system has no randomness to give.
    pub(crate) fn fresh(home: &Region) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(format!("{home}_{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (region, secret) = text.split_once('_')?;
        let plain = secret.len() == 43 && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        (region.parse::<Region>().is_ok() && plain).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored in its place.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_tokens_differ_and_are_read_back() {
        let home: Region = "eu".parse().unwrap();
        let (first, second) = (SessionToken::fresh(&home).unwrap(), SessionToken::fresh(&home).unwrap());
        assert_ne!(first.hash(), second.hash());
        assert_eq!(SessionToken::parse(first.as_str()).unwrap().hash(), first.hash());
        assert!(SessionToken::parse("eu_short").is_none() && SessionToken::parse(&"x".repeat(43)).is_none());
    }
}
