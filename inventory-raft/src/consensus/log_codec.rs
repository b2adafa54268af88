//! How log ids, votes and payloads lie in the log file: a length, then postcard. The log library adds the checksum.

use std::io::{self, Read, Write};

use raft_log::codeq::{Decode, Encode};
use serde::{Serialize, de::DeserializeOwned};

/// Longest value read back; a log entry has at most 128 KiB of commands, and a membership is smaller.
const MAX_VALUE_BYTES: u32 = 16 * 1024 * 1024;

/// A value of ours in the log file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coded<T>(pub(crate) T);

impl<T: Serialize> Encode for Coded<T> {
    fn encode<W: Write>(&self, mut out: W) -> Result<usize, io::Error> {
        let bytes = postcard::to_stdvec(&self.0).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_be_bytes())?;
        out.write_all(&bytes)?;
        Ok(4 + bytes.len())
    }
}

impl<T: DeserializeOwned> Decode for Coded<T> {
    fn decode<R: Read>(mut input: R) -> Result<Self, io::Error> {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_VALUE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a log value of {length} bytes")));
        }
        let mut bytes = vec![0; length as usize];
        input.read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes).map(Self).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
