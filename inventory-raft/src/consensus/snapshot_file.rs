//! Snapshot files: a header, then blocks of records in order of key, each with its checksum, then an empty block.
//!
//! A snapshot is written to a temporary file, synced, renamed, and its directory synced; whatever has the final name is whole.
//! Layout, all numbers big-endian: magic (8 bytes), length and CRC-32 of the header, header (postcard), then for each block its length, its
//! CRC-32 and its bytes (postcard of a list of keys and values); a length of 0 ends the blocks; then a last block with the number of records
//! and the state hash, which are known only when all was written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::type_config::{LogId, Membership, Peer, SnapshotMeta};
use crate::{
    snapshots::Inspected,
    stock::{Frozen, Inventory, RecordError, RecordHasher, RecordLoader},
};

const MAGIC: &[u8; 8] = b"SFSNAP03";

/// Records are packed into blocks of about this size: large enough for a cheap checksum, small enough to read in one go.
const BLOCK_BYTES: usize = 256 * 1024;

/// Synced while writing, after so many bytes each: a large sync at the end would hold up the log's own on the same disk.
const SYNC_BYTES: usize = 4 * 1024 * 1024;

/// Largest block or header accepted: a block ends with the record that passes its size, and a record stays below 1 MiB.
const MAX_BLOCK_BYTES: u32 = 4 * 1024 * 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    last_log_id: Option<LogId>,
    membership: Membership,
    ids_ever: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    records: u64,
    state_hash: String,
}

/// What is wrong with a snapshot file.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{path} is not a snapshot of this format; was it written by an older or newer release?")]
    UnknownFormat { path: PathBuf },
    #[error("{path} is damaged: {what}")]
    Corrupt { path: PathBuf, what: &'static str },
    #[error("{path} ends too early")]
    Truncated { path: PathBuf },
    #[error("{path}: {source}")]
    Record { path: PathBuf, source: RecordError },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Writes the ledger into a new file and syncs it.
pub(super) fn write(path: &Path, frozen: &Frozen, ids_ever: &BTreeSet<u64>, meta: &SnapshotMeta) -> io::Result<()> {
    let (last_log_id, membership) = (meta.last_log_id, meta.last_membership.clone());
    let header = Header { last_log_id, membership, ids_ever: ids_ever.clone() };
    let mut out = BlockWriter::new(File::create(path)?);
    write_head(&mut out.out, &header)?;
    frozen.each_record(|key, value| out.add(key, value))?;
    out.finish()?.sync_data()
}

fn write_head(out: &mut impl Write, header: &Header) -> io::Result<()> {
    out.write_all(MAGIC)?;
    write_block(out, &postcard::to_stdvec(header).map_err(io::Error::other)?)
}

/// What the header says, without reading the records.
pub(super) fn meta(path: &Path) -> Result<SnapshotMeta, SnapshotError> {
    let (header, _) = open(path)?;
    Ok(SnapshotMeta { last_log_id: header.last_log_id, last_membership: header.membership })
}

/// Where in the log the snapshot stands.
pub(crate) fn last_log_id(path: &Path) -> Result<Option<LogId>, SnapshotError> {
    Ok(open(path)?.0.last_log_id)
}

/// Reads a whole file, checks every sum and the state hash, and says what is in it.
pub(crate) fn inspect(path: &Path) -> Result<Inspected, SnapshotError> {
    let bytes = fs::metadata(path).map_err(|source| SnapshotError::Io { path: path.to_owned(), source })?.len();
    let (header, mut input) = open(path)?;
    let trailer = read_records(&mut input, path, |_, _| Ok(()))?;
    Ok(Inspected {
        log_index: header.last_log_id.map_or(0, |last| last.index),
        term: header.last_log_id.map_or(0, |last| last.leader_id.term),
        members: header.membership.nodes().map(|(id, _)| *id).collect(),
        records: trailer.records,
        state_hash: trailer.state_hash,
        bytes,
    })
}

/// Copies a file that was inspected into a directory of snapshots, for a cluster of other members.
pub(crate) fn with_members(path: &Path, directory: &Path, members: BTreeMap<u64, Peer>) -> Result<(), SnapshotError> {
    let (header, mut rest) = open(path)?;
    let ids_ever: BTreeSet<u64> = members.keys().copied().collect();
    let failed = |source| SnapshotError::Io { path: directory.to_owned(), source };
    let membership =
        openraft::Membership::new(vec![ids_ever.clone()], members).map_err(|error| failed(io::Error::other(error)))?;
    let header = Header { membership: Membership::new(header.last_log_id, membership), ids_ever, ..header };
    let mut copy = || {
        let snapshots = super::snapshot::SnapshotDir::open(directory)?;
        let temporary = snapshots.temporary();
        let mut out = BufWriter::new(File::create(&temporary)?);
        write_head(&mut out, &header)?;
        io::copy(&mut rest, &mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        snapshots.keep(&temporary, header.last_log_id).map(drop)
    };
    copy().map_err(failed)
}

/// Packs records into blocks and hashes them on the way.
struct BlockWriter {
    out: BufWriter<File>,
    block: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    /// Bytes written since the last sync.
    unsynced: usize,
    records: u64,
    hasher: RecordHasher,
}

impl BlockWriter {
    fn new(file: File) -> Self {
        let hasher = RecordHasher::default();
        Self { out: BufWriter::new(file), block: Vec::new(), bytes: 0, unsynced: 0, records: 0, hasher }
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.hasher.add(key, value);
        self.bytes += key.len() + value.len();
        self.records += 1;
        self.block.push((key.to_vec(), value.to_vec()));
        if self.bytes < BLOCK_BYTES { Ok(()) } else { self.close_block() }
    }

    fn close_block(&mut self) -> io::Result<()> {
        write_block(&mut self.out, &postcard::to_stdvec(&self.block).map_err(io::Error::other)?)?;
        self.block.clear();
        self.unsynced += self.bytes;
        self.bytes = 0;
        if self.unsynced < SYNC_BYTES {
            return Ok(());
        }
        self.unsynced = 0;
        self.out.flush()?;
        self.out.get_ref().sync_data()
    }

    fn finish(mut self) -> io::Result<File> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        self.out.write_all(&0_u32.to_be_bytes())?;
        let trailer = Trailer { records: self.records, state_hash: self.hasher.finish() };
        write_block(&mut self.out, &postcard::to_stdvec(&trailer).map_err(io::Error::other)?)?;
        self.out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// Reads a whole snapshot and checks every sum and the state hash: the ledger, and every id that was ever a member's.
pub(super) fn load(path: &Path) -> Result<(Inventory, BTreeSet<u64>), SnapshotError> {
    let (header, mut input) = open(path)?;
    let mut loader = RecordLoader::default();
    read_records(&mut input, path, |key, value| loader.load(key, value))?;
    Ok((loader.finish(), header.ids_ever))
}

/// Gives every record, and checks them against the last block.
fn read_records(
    input: &mut impl Read,
    path: &Path,
    mut give: impl FnMut(&[u8], &[u8]) -> Result<(), RecordError>,
) -> Result<Trailer, SnapshotError> {
    let corrupt = |what| SnapshotError::Corrupt { path: path.to_owned(), what };
    let (mut hasher, mut found) = (RecordHasher::default(), Trailer::default());
    while let Some(block) = read_block(input, path)? {
        let block: Vec<(&[u8], &[u8])> = postcard::from_bytes(&block).map_err(|_| corrupt("a block is not a list of records"))?;
        for (key, value) in block {
            hasher.add(key, value);
            found.records += 1;
            give(key, value).map_err(|source| SnapshotError::Record { path: path.to_owned(), source })?;
        }
    }
    found.state_hash = hasher.finish();
    let trailer = read_block(input, path)?.ok_or_else(|| corrupt("the last block is empty"))?;
    let trailer: Trailer = postcard::from_bytes(&trailer).map_err(|_| corrupt("the last block cannot be read"))?;
    match trailer == found {
        true => Ok(trailer),
        false => Err(corrupt("the number of records or the state hash differs")),
    }
}

fn open(path: &Path) -> Result<(Header, BufReader<File>), SnapshotError> {
    let io_error = |source| SnapshotError::Io { path: path.to_owned(), source };
    let mut input = BufReader::new(File::open(path).map_err(io_error)?);
    let mut magic = [0; 8];
    if input.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Err(SnapshotError::UnknownFormat { path: path.to_owned() });
    }
    let header = read_block(&mut input, path)?.ok_or(SnapshotError::Truncated { path: path.to_owned() })?;
    let corrupt = SnapshotError::Corrupt { path: path.to_owned(), what: "the header cannot be read" };
    let header = postcard::from_bytes(&header).map_err(|_| corrupt)?;
    Ok((header, input))
}

fn write_block(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&crc32fast::hash(bytes).to_be_bytes())?;
    out.write_all(bytes)
}

fn read_block(input: &mut impl Read, path: &Path) -> Result<Option<Vec<u8>>, SnapshotError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SnapshotError::Truncated { path: path.to_owned() },
        _ => SnapshotError::Io { path: path.to_owned(), source: error },
    };
    let mut word = [0; 4];
    input.read_exact(&mut word).map_err(failed)?;
    let length = u32::from_be_bytes(word);
    if length == 0 {
        return Ok(None);
    }
    if length > MAX_BLOCK_BYTES {
        return Err(SnapshotError::Corrupt { path: path.to_owned(), what: "a block is longer than any block" });
    }
    input.read_exact(&mut word).map_err(failed)?;
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes).map_err(failed)?;
    match crc32fast::hash(&bytes) == u32::from_be_bytes(word) {
        true => Ok(Some(bytes)),
        false => Err(SnapshotError::Corrupt { path: path.to_owned(), what: "a block's checksum differs" }),
    }
}
