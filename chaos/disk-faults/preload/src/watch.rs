//! The watched directory, and the journal of what is done to it.

use std::{
    ffi::{c_int, c_void},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    mem::ManuallyDrop,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    journal::{Done, FULL, JOURNAL, NO_JOURNAL_VARIABLE, STATE_VARIABLE, SYNC_FAILS, SYNC_LIES, WATCHED_VARIABLE},
    real::real,
};

pub(crate) struct Watch {
    watched: PathBuf,
    state: PathBuf,
    /// Without, there are only the switches.
    journals: bool,
    journal: Mutex<File>,
    /// Entries in the journal.
    pub(crate) entries: AtomicUsize,
    /// Files kept aside so far.
    kept: AtomicUsize,
}

/// The watch of this process; `None` when it was not asked for.
pub(crate) fn watch() -> Option<&'static Watch> {
    static WATCH: OnceLock<Option<Watch>> = OnceLock::new();
    std::thread_local! { static STARTING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) }; }
    // Opening the journal goes through this library again.
    if STARTING.get() {
        return None;
    }
    let start = || {
        STARTING.set(true);
        let started = Watch::start();
        STARTING.set(false);
        started
    };
    WATCH.get_or_init(start).as_ref()
}

/// The file of somebody else's descriptor; it stays open.
fn borrowed(fd: c_int) -> ManuallyDrop<File> {
    // SAFETY: the caller's call is about this descriptor, and it is never closed here.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

impl Watch {
    fn start() -> Option<Self> {
        let watched = PathBuf::from(std::env::var_os(WATCHED_VARIABLE)?);
        let state = PathBuf::from(std::env::var_os(STATE_VARIABLE)?);
        let journal = File::options().create(true).append(true).open(state.join(JOURNAL)).ok()?;
        // A process of before that was stopped cleanly leaves its entries; they keep their numbers.
        let bytes = fs::read(state.join(JOURNAL)).ok()?;
        let (mut entries, mut rest) = (0, &bytes[..]);
        while let Some((_, after)) = Done::decode(rest) {
            entries += 1;
            rest = after;
        }
        let kept = AtomicUsize::new(entries);
        let journals = std::env::var_os(NO_JOURNAL_VARIABLE).is_none();
        Some(Self { watched, state, journals, journal: Mutex::new(journal), entries: AtomicUsize::new(entries), kept })
    }

    pub(crate) fn is_below(&self, path: &str) -> bool {
        Path::new(path).starts_with(&self.watched)
    }

    pub(crate) fn is_watched(&self, fd: c_int) -> bool {
        fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|path| path.starts_with(&self.watched))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state.join(FULL).exists()
    }

    pub(crate) fn sync_fails(&self) -> bool {
        self.state.join(SYNC_FAILS).exists()
    }

    pub(crate) fn sync_lies(&self) -> bool {
        self.state.join(SYNC_LIES).exists()
    }

    fn add(&self, entry: &Done) {
        if !self.journals {
            return;
        }
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = entry.encode();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // SAFETY: the slice is valid; libc's own write is called, or this would journal itself.
            let written = unsafe { (real().write)(journal.as_raw_fd(), rest.as_ptr().cast::<c_void>(), rest.len()) };
            let Ok(written) = usize::try_from(written) else { std::process::abort() };
            rest = &rest[written..];
        }
        self.entries.fetch_add(1, Ordering::SeqCst);
    }

    /// What lies where `length` bytes are about to be written; without an offset, at the descriptor's own.
    pub(crate) fn journal_write(&self, fd: c_int, offset: Option<u64>, length: usize) {
        if !self.journals {
            return;
        }
        let mut file = borrowed(fd);
        let Ok(metadata) = file.metadata() else { return };
        let appends = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))
            .ok()
            .and_then(|info| info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok()))
            .is_some_and(|flags| flags & 0o2000 != 0);
        let at = offset.unwrap_or_else(|| match appends {
            true => metadata.len(),
            false => file.seek(SeekFrom::Current(0)).unwrap_or(0),
        });
        let overlap = metadata.len().saturating_sub(at).min(length as u64);
        let mut before = vec![0; usize::try_from(overlap).unwrap_or(0)];
        // A file opened for writing alone cannot be read through its descriptor.
        let path = format!("/proc/self/fd/{fd}");
        if !before.is_empty() && File::open(path).and_then(|reader| reader.read_exact_at(&mut before, at)).is_err() {
            std::process::abort();
        }
        self.add(&Done::Wrote { inode: metadata.ino(), offset: at, length: metadata.len(), before });
    }

    pub(crate) fn journal_truncate(&self, fd: c_int, length: u64) {
        if !self.journals {
            return;
        }
        let Ok(metadata) = borrowed(fd).metadata() else { return };
        let lost = metadata.len().saturating_sub(length);
        let mut before = vec![0; usize::try_from(lost).unwrap_or(0)];
        if lost > 0 {
            let reader = File::open(format!("/proc/self/fd/{fd}"));
            if reader.and_then(|reader| reader.read_exact_at(&mut before, length)).is_err() {
                std::process::abort();
            }
        }
        self.add(&Done::Wrote { inode: metadata.ino(), offset: length, length: metadata.len(), before });
    }

    pub(crate) fn journal_truncate_path(&self, path: &str) {
        if !self.journals {
            return;
        }
        let mut before = Vec::new();
        let Ok(mut file) = File::open(path) else { return };
        let (Ok(metadata), Ok(_)) = (file.metadata(), file.read_to_end(&mut before)) else { return };
        self.add(&Done::Wrote { inode: metadata.ino(), offset: 0, length: metadata.len(), before });
    }

    pub(crate) fn journal_sync(&self, fd: c_int, upto: usize) {
        if let Ok(metadata) = borrowed(fd).metadata() {
            self.add(&Done::Synced { inode: metadata.ino(), upto });
        }
    }

    fn directory_of(path: &str) -> u64 {
        let parent = Path::new(path).parent().and_then(|parent| fs::metadata(parent).ok());
        parent.map_or(0, |metadata| metadata.ino())
    }

    pub(crate) fn journal_create(&self, fd: c_int, path: &str) {
        if let Ok(metadata) = borrowed(fd).metadata() {
            let directory = Self::directory_of(path);
            self.add(&Done::Created { inode: metadata.ino(), directory, path: path.to_owned() });
        }
    }

    /// Links a file into the state directory, so that its content outlives its name.
    fn keep(&self, path: &str) -> Option<String> {
        let name = format!("kept-{}-{}", std::process::id(), self.kept.fetch_add(1, Ordering::SeqCst));
        fs::hard_link(path, self.state.join(&name)).ok().map(|()| name)
    }

    pub(crate) fn journal_rename(&self, from: &str, to: &str) {
        if !self.journals {
            return;
        }
        let kept = self.keep(to).unwrap_or_else(|| "-".to_owned());
        self.add(&Done::Renamed { directory: Self::directory_of(to), from: from.to_owned(), to: to.to_owned(), kept });
    }

    pub(crate) fn journal_remove(&self, path: &str) {
        if !self.journals {
            return;
        }
        if let Some(kept) = self.keep(path) {
            self.add(&Done::Removed { directory: Self::directory_of(path), path: path.to_owned(), kept });
        }
    }
}
