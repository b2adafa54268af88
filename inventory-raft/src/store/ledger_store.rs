//! The ledger's pages in sled, written behind the log.
//!
//! sled's `flush` does not sync on Linux, so its files are synced here when the store is closed; and a directory that was not closed
//! cleanly is not trusted at all: the caller rebuilds it from a snapshot and the log.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::stock::StoredPage;

/// Beside sled's directory; present only between a clean stop and the next start.
const CLEAN_MARKER: &str = "clean";

/// Where the caller's own record (the place in the log) lies; kinds of records start at 1.
const META_KEY: [u8; 1] = [0];

/// Bytes of pages that are encoded and written at once. The parts need not be one: a directory that was not closed is not trusted.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Page cache of sled. The hot state is in memory, so sled only writes; its cache need not hold much.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) struct LedgerStore {
    directory: PathBuf,
    db: sled::Db,
}

/// What a cleanly closed store held.
pub(crate) struct Stored {
    pub(crate) meta: Vec<u8>,
    pub(crate) pages: Vec<StoredPage>,
}

impl LedgerStore {
    /// Opens the store. `None`: it is empty, or was not closed cleanly and has been emptied.
    pub(crate) fn open(directory: &Path) -> io::Result<(Self, Option<Stored>)> {
        fs::create_dir_all(directory)?;
        let marker = directory.join(CLEAN_MARKER);
        let clean = marker.exists();
        let sled_directory = directory.join("sled");
        if !clean && sled_directory.exists() {
            tracing::info!("the state was not closed cleanly; rebuilding it from snapshot and log");
            fs::remove_dir_all(&sled_directory)?;
        }
        let db = sled::Config::new()
            .path(&sled_directory)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .open()
            .map_err(io::Error::other)?;
        let store = Self { directory: directory.to_owned(), db };
        let stored = if clean { store.read_all()? } else { None };
        if clean {
            fs::remove_file(&marker)?;
            File::open(directory)?.sync_all()?;
        }
        Ok((store, stored))
    }

    fn read_all(&self) -> io::Result<Option<Stored>> {
        let mut stored = Stored { meta: Vec::new(), pages: Vec::new() };
        for record in self.db.iter() {
            let (key, value) = record.map_err(io::Error::other)?;
            match key[..] == META_KEY {
                true => stored.meta = value.to_vec(),
                false => stored.pages.push((key.to_vec(), value.to_vec())),
            }
        }
        Ok((!stored.meta.is_empty()).then_some(stored))
    }

    /// Writes changed pages and the place in the log they lead to. `replace` drops all that was there.
    ///
    /// Nothing is synced: an unclean directory is not trusted, so only [`Self::close`] has to.
    pub(crate) fn write(&self, pages: impl Iterator<Item = StoredPage>, meta: Vec<u8>, replace: bool) -> io::Result<()> {
        if replace {
            self.db.clear().map_err(io::Error::other)?;
        }
        let mut rest = pages.peekable();
        while rest.peek().is_some() {
            let mut batch = sled::Batch::default();
            let mut bytes = 0;
            while let Some((key, value)) = rest.next_if(|_| bytes < BATCH_BYTES) {
                bytes += value.len();
                batch.insert(key, value);
            }
            self.db.apply_batch(batch).map_err(io::Error::other)?;
            self.db.flush().map_err(io::Error::other)?;
        }
        self.db.insert(META_KEY, meta).map_err(io::Error::other)?;
        self.db.flush().map(drop).map_err(io::Error::other)
    }

    /// Marks the store as trustworthy. Nothing may be written after it.
    pub(crate) fn close(self) -> io::Result<()> {
        let Self { directory, db } = self;
        db.flush().map_err(io::Error::other)?;
        drop(db);
        sync_tree(&directory.join("sled"))?;
        File::create(directory.join(CLEAN_MARKER))?.sync_all()?;
        File::open(&directory)?.sync_all()
    }
}

/// Syncs every file and directory below: sled puts large values into files of their own, which it never syncs.
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_tree(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u8) -> impl Iterator<Item = StoredPage> {
        std::iter::once((vec![2, key], vec![key]))
    }

    /// sled's own threads give the directory's lock back a little after the store is dropped.
    fn reopen(directory: &Path) -> (LedgerStore, Option<Stored>) {
        let began = std::time::Instant::now();
        loop {
            match LedgerStore::open(directory) {
                Err(error) if error.to_string().contains("lock") && began.elapsed().as_secs() < 30 => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }

    #[test]
    fn only_a_cleanly_closed_store_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let (store, before) = LedgerStore::open(folder.path()).unwrap();
        assert!(before.is_none());
        store.write(put(1), vec![7], false).unwrap();
        store.close().unwrap();
        let (store, stored) = reopen(folder.path());
        let stored = stored.unwrap();
        assert_eq!((stored.meta, stored.pages), (vec![7], vec![(vec![2, 1], vec![1])]));
        store.write(put(2), vec![8], true).unwrap();
        drop(store);
        let (_, stored) = reopen(folder.path());
        assert!(stored.is_none(), "a store that was not closed was trusted");
    }
}
