//! What a process did to the files of one directory, in a form from which the un-synced part can be taken back.
//!
//! Each entry is a line of space-separated fields, a write with the bytes it replaced behind the line. This file is shared with the
//! library that is loaded into the process, which has no dependencies.

/// Name of the journal in the state directory.
pub(crate) const JOURNAL: &str = "journal";

/// While a file of this name lies in the state directory, writes fail as on a full disk.
pub(crate) const FULL: &str = "full";

/// While a file of this name lies in the state directory, syncs fail as on a broken disk.
pub(crate) const SYNC_FAILS: &str = "sync-fails";

/// While a file of this name lies in the state directory, syncs say that they are done and are not, as on a disk with a cache
/// that ignores flushes.
pub(crate) const SYNC_LIES: &str = "sync-lies";

/// Directory whose files are watched.
pub(crate) const WATCHED_VARIABLE: &str = "DISK_FAULTS_WATCHED";

/// Directory of the journal and the switches; not below the watched one.
pub(crate) const STATE_VARIABLE: &str = "DISK_FAULTS_STATE";

/// Set: nothing is journaled, and the switches alone count.
pub(crate) const NO_JOURNAL_VARIABLE: &str = "DISK_FAULTS_NO_JOURNAL";

/// One thing that was done. Inode numbers name files, because names change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Bytes at `offset` were replaced; the file had `length` bytes before.
    Wrote { inode: u64, offset: u64, length: u64, before: Vec<u8> },
    /// A sync of a file or directory ended that had begun when the journal had `upto` entries.
    Synced { inode: u64, upto: usize },
    /// A file was made in the directory.
    Created { inode: u64, directory: u64, path: String },
    /// A name was taken away; the file lies linked under `kept` in the state directory.
    Removed { directory: u64, path: String, kept: String },
    /// A file got a new name in the directory; what had that name lies under `kept`, if anything had.
    Renamed { directory: u64, from: String, to: String, kept: String },
}

/// Paths with blanks or line ends would break the line; the watched directories of tests have none.
fn plain(path: &str) -> &str {
    assert!(!path.contains([' ', '\n']), "a path with blanks cannot be journaled: {path:?}");
    path
}

impl Done {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let line = match self {
            Self::Wrote { inode, offset, length, before } => {
                let line = format!("wrote {inode} {offset} {length} {}\n", before.len());
                return [line.as_bytes(), before].concat();
            }
            Self::Synced { inode, upto } => format!("synced {inode} {upto}\n"),
            Self::Created { inode, directory, path } => format!("created {inode} {directory} {}\n", plain(path)),
            Self::Removed { directory, path, kept } => format!("removed {directory} {} {kept}\n", plain(path)),
            Self::Renamed { directory, from, to, kept } => {
                format!("renamed {directory} {} {} {kept}\n", plain(from), plain(to))
            }
        };
        line.into_bytes()
    }

    /// The first entry of `journal` and the rest. `None`: it is cut off, as after a kill in the middle of a write.
    pub(crate) fn decode(journal: &[u8]) -> Option<(Self, &[u8])> {
        let end = journal.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (std::str::from_utf8(&journal[..end]).ok()?, &journal[end + 1..]);
        let mut fields = line.split(' ');
        let kind = fields.next()?;
        let mut number = || fields.next()?.parse::<u64>().ok();
        match kind {
            "wrote" => {
                let (inode, offset, length, size) = (number()?, number()?, number()?, usize::try_from(number()?).ok()?);
                let before = rest.get(..size)?.to_vec();
                Some((Self::Wrote { inode, offset, length, before }, &rest[size..]))
            }
            "synced" => Some((Self::Synced { inode: number()?, upto: usize::try_from(number()?).ok()? }, rest)),
            "created" => {
                let (inode, directory) = (number()?, number()?);
                Some((Self::Created { inode, directory, path: fields.next()?.to_owned() }, rest))
            }
            "removed" => {
                let directory = number()?;
                let mut text = || fields.next().map(str::to_owned);
                Some((Self::Removed { directory, path: text()?, kept: text()? }, rest))
            }
            "renamed" => {
                let directory = number()?;
                let mut text = || fields.next().map(str::to_owned);
                Some((Self::Renamed { directory, from: text()?, to: text()?, kept: text()? }, rest))
            }
            _ => None,
        }
    }
}
