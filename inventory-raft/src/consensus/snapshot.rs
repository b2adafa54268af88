//! Snapshot files: a header, then blocks of records in order of key, each with its checksum, then an empty block.
//!
//! A snapshot is written to a temporary file, synced, renamed, and its directory synced; whatever has the final name is whole.
//! Layout, all numbers big-endian: magic (8 bytes), length and CRC-32 of the header, header (postcard), then for each block its length, its
//! CRC-32 and its bytes (postcard of a list of keys and values); a length of 0 ends the blocks; then a last block with the number of records
//! and the state hash, which are known only when all was written.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::type_config::{LogId, Membership, SnapshotMeta};
use crate::stock::{Frozen, Inventory, RecordError, RecordHasher, RecordLoader};

const MAGIC: &[u8; 8] = b"SFSNAP02";

/// Records are packed into blocks of about this size: large enough for a cheap checksum, small enough to read in one go.
const BLOCK_BYTES: usize = 256 * 1024;

/// Largest block or header accepted: a block ends with the record that passes its size, and a record stays below 1 MiB.
const MAX_BLOCK_BYTES: u32 = 4 * 1024 * 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    last_log_id: Option<LogId>,
    membership: Membership,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    records: u64,
    state_hash: String,
}

/// What is wrong with a snapshot file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("{path} is not a snapshot of this format; was it written by a newer release?")]
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

/// A snapshot file that openraft hands around. A received one lies under a temporary name until it is installed.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
}

/// Directory of a node's snapshots.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotDir {
    directory: PathBuf,
}

impl SnapshotDir {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        for file in fs::read_dir(directory)?.flatten() {
            // Half-written by a process that was killed; nobody has been told of it.
            if file.path().extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(file.path())?;
            }
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// A fresh temporary path for a snapshot that is being written or received.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.directory.join(format!("{}.tmp", uuid::Uuid::new_v4()))
    }

    /// Writes the ledger down as the newest snapshot.
    pub(crate) fn write(&self, frozen: &Frozen, meta: &SnapshotMeta) -> io::Result<SnapshotFile> {
        let header = Header { last_log_id: meta.last_log_id, membership: meta.last_membership.clone() };
        let temporary = self.temporary();
        let mut out = BlockWriter::new(File::create(&temporary)?);
        out.out.write_all(MAGIC)?;
        write_block(&mut out.out, &postcard::to_stdvec(&header).map_err(io::Error::other)?)?;
        frozen.each_record(|key, value| out.add(key, value))?;
        out.finish()?.sync_data()?;
        self.keep(&temporary, meta.last_log_id)
    }

    /// Gives a complete file its final name and drops older snapshots.
    pub(crate) fn keep(&self, temporary: &Path, last: Option<LogId>) -> io::Result<SnapshotFile> {
        let path = self.directory.join(format!("{:020}.snapshot", last.map_or(0, |last| last.index)));
        fs::rename(temporary, &path)?;
        File::open(&self.directory)?.sync_all()?;
        for older in self.files()?.into_iter().filter(|file| *file < path) {
            fs::remove_file(older)?;
        }
        Ok(SnapshotFile { path })
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.directory)?.flatten().map(|file| file.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "snapshot"));
        files.sort_unstable();
        Ok(files)
    }

    /// The newest snapshot with what its header says, without reading its records.
    pub(crate) fn newest(&self) -> Result<Option<(SnapshotFile, SnapshotMeta)>, SnapshotError> {
        let here = |source| SnapshotError::Io { path: self.directory.clone(), source };
        let Some(path) = self.files().map_err(here)?.pop() else { return Ok(None) };
        let (header, _) = open(&path)?;
        Ok(Some((SnapshotFile { path }, meta_of(header))))
    }
}

/// Packs records into blocks and hashes them on the way.
struct BlockWriter {
    out: BufWriter<File>,
    block: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    records: u64,
    hasher: RecordHasher,
}

impl BlockWriter {
    fn new(file: File) -> Self {
        let hasher = RecordHasher::default();
        Self { out: BufWriter::new(file), block: Vec::new(), bytes: 0, records: 0, hasher }
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
        self.bytes = 0;
        Ok(())
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

/// Reads a whole snapshot and checks every sum and the state hash.
pub(crate) fn load(path: &Path) -> Result<Inventory, SnapshotError> {
    let corrupt = |what| SnapshotError::Corrupt { path: path.to_owned(), what };
    let (_, mut input) = open(path)?;
    let (mut loader, mut hasher, mut found) = (RecordLoader::default(), RecordHasher::default(), Trailer::default());
    while let Some(block) = read_block(&mut input, path)? {
        let block: Vec<(&[u8], &[u8])> =
            postcard::from_bytes(&block).map_err(|_| corrupt("a block is not a list of records"))?;
        for (key, value) in block {
            hasher.add(key, value);
            found.records += 1;
            loader.load(key, value).map_err(|source| SnapshotError::Record { path: path.to_owned(), source })?;
        }
    }
    found.state_hash = hasher.finish();
    let trailer = read_block(&mut input, path)?.ok_or_else(|| corrupt("the last block is empty"))?;
    let trailer: Trailer = postcard::from_bytes(&trailer).map_err(|_| corrupt("the last block cannot be read"))?;
    match trailer == found {
        true => Ok(loader.finish()),
        false => Err(corrupt("the number of records or the state hash differs")),
    }
}

fn meta_of(header: Header) -> SnapshotMeta {
    SnapshotMeta { last_log_id: header.last_log_id, last_membership: header.membership }
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

#[cfg(test)]
mod tests {
    use storefront_types::{CommandId, Quantity, Sku};
    use uuid::Uuid;

    use super::*;
    use crate::stock::{Command, LogTime};

    fn filled() -> Inventory {
        let mut inventory = Inventory::default();
        for n in 0..2_000_u32 {
            let command = Command::Receive {
                id: CommandId::new(Uuid::new_v8([0; 16]).max(Uuid::from_u128(u128::from(n)))),
                sku: Sku::parse(&format!("sku-{n}")).unwrap(),
                location: "eu-1".parse().unwrap(),
                quantity: Quantity::new(n + 1).unwrap(),
            };
            inventory.apply(LogTime(1), &command);
        }
        inventory
    }

    fn written() -> (tempfile::TempDir, SnapshotDir, SnapshotFile, Inventory) {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotDir::open(folder.path()).unwrap();
        let inventory = filled();
        let file = snapshots.write(&inventory.freeze(), &SnapshotMeta::default()).unwrap();
        (folder, snapshots, file, inventory)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (_folder, snapshots, file, inventory) = written();
        assert_eq!(load(&file.path).unwrap().state_hash(), inventory.state_hash());
        assert_eq!(snapshots.newest().unwrap().unwrap().0.path, file.path);
    }

    #[test]
    fn damage_anywhere_is_found_and_named() {
        let (_folder, _, file, _) = written();
        let whole = fs::read(&file.path).unwrap();
        for at in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            fs::write(&file.path, &damaged).unwrap();
            assert!(load(&file.path).is_err(), "a flipped bit at {at} went unnoticed");
        }
        fs::write(&file.path, &whole[..whole.len() - 9]).unwrap();
        assert!(matches!(load(&file.path), Err(SnapshotError::Truncated { .. })));
        fs::write(&file.path, b"SFSNAP99 and more").unwrap();
        assert!(matches!(load(&file.path), Err(SnapshotError::UnknownFormat { .. })));
    }
}
