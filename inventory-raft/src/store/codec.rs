//! Values of records: a version byte, then postcard.

use serde::{Serialize, de::DeserializeOwned};

/// Version of the encoding of every value. A reader refuses a newer one.
const VALUE_VERSION: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("value version {0} is newer than {VALUE_VERSION}; run a newer release")]
    NewerVersion(u8),
    #[error("the value is empty")]
    Empty,
    #[error("the value is damaged: {0}")]
    Damaged(#[from] postcard::Error),
}

pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    // Writing plain data into a growing vector cannot fail; an empty rest is refused when read.
    postcard::to_extend(value, vec![VALUE_VERSION]).unwrap_or_else(|_| vec![VALUE_VERSION])
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.split_first() {
        None => Err(CodecError::Empty),
        Some((&VALUE_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
        Some((version, _)) => Err(CodecError::NewerVersion(*version)),
    }
}
