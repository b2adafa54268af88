//! A disk that loses what was not synced, is full, or fails to sync, under an unchanged program.
//!
//! A small library is loaded into the process (`LD_PRELOAD`). It keeps, outside of the process, what each write replaced, so that after
//! a `kill -9` everything that no sync covered can be taken back: what a power cut may do. It takes back everything it may, the
//! worst case. A new file counts as kept once it or its directory was synced, as ext4 and XFS have it; new names and removals count
//! only once the directory was synced.
//!
//! Owns: the journal and the taking back. Must not: know whose files they are.

#[allow(dead_code, reason = "the writing half is used by the library that is loaded")]
mod journal;

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, ensure};
use journal::{Done, FULL, JOURNAL, NO_JOURNAL_VARIABLE, STATE_VARIABLE, SYNC_FAILS, SYNC_LIES, WATCHED_VARIABLE};

/// The faults of one process's disk.
#[derive(Clone, Debug)]
pub struct DiskFaults {
    watched: PathBuf,
    state: PathBuf,
}

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    pub writes: usize,
    pub names: usize,
}

impl DiskFaults {
    /// Faults for the files below `watched`, kept in `state`; both are made if need be.
    pub fn new(watched: &Path, state: &Path) -> io::Result<Self> {
        fs::create_dir_all(watched)?;
        fs::create_dir_all(state)?;
        Ok(Self { watched: watched.canonicalize()?, state: state.canonicalize()? })
    }

    /// Puts a process that is about to start onto this disk.
    pub fn apply(&self, command: &mut Command) -> anyhow::Result<()> {
        command.env("LD_PRELOAD", preload()?).env(WATCHED_VARIABLE, &self.watched).env(STATE_VARIABLE, &self.state);
        Ok(())
    }

    /// The environment of a process on this disk that is never to lose what was not synced: nothing is journaled, which costs less, and
    /// nothing can be taken back.
    pub fn switches_alone(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(vec![
            ("LD_PRELOAD", text(preload()?)),
            (WATCHED_VARIABLE, text(&self.watched)),
            (STATE_VARIABLE, text(&self.state)),
            (NO_JOURNAL_VARIABLE, "1".to_owned()),
        ])
    }

    fn switch(&self, name: &str, on: bool) -> io::Result<()> {
        let path = self.state.join(name);
        match on {
            true => File::create(path).map(drop),
            false => {
                fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            }
        }
    }

    /// From now on writes fail with `ENOSPC`, or work again.
    pub fn set_full(&self, full: bool) -> io::Result<()> {
        self.switch(FULL, full)
    }

    /// From now on syncs fail with `EIO`, or work again.
    pub fn set_sync_fails(&self, fails: bool) -> io::Result<()> {
        self.switch(SYNC_FAILS, fails)
    }

    /// From now on syncs only say that they are done, or are done again.
    pub fn set_sync_lies(&self, lies: bool) -> io::Result<()> {
        self.switch(SYNC_LIES, lies)
    }

    /// After the process was killed: takes back what it had not synced, and forgets the rest.
    pub fn take_back(&self) -> anyhow::Result<TakenBack> {
        let path = self.state.join(JOURNAL);
        let journal = fs::read(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(error),
        })?;
        let (mut entries, mut rest) = (Vec::new(), &journal[..]);
        while let Some((entry, after)) = Done::decode(rest) {
            entries.push(entry);
            rest = after;
        }
        let taken = self.undo(&entries)?;
        fs::write(&path, b"")?;
        Ok(taken)
    }

    fn undo(&self, entries: &[Done]) -> anyhow::Result<TakenBack> {
        let mut synced: BTreeMap<u64, usize> = BTreeMap::new();
        for entry in entries {
            if let Done::Synced { inode, upto } = entry {
                let known = synced.entry(*inode).or_default();
                *known = (*known).max(*upto);
            }
        }
        let is_synced = |inode: &u64, at: usize| synced.get(inode).is_some_and(|upto| at < *upto);
        let (mut taken, mut files) = (TakenBack::default(), files_below(&self.watched)?);
        let mut gone: HashSet<u64> = HashSet::new();
        for (at, entry) in entries.iter().enumerate().rev() {
            match entry {
                Done::Wrote { inode, offset, length, before } if !is_synced(inode, at) => {
                    let Some(path) = files.get(inode).filter(|_| !gone.contains(inode)) else { continue };
                    let file = OpenOptions::new().write(true).open(path)?;
                    file.write_all_at(before, *offset)?;
                    file.set_len(*length)?;
                    taken.writes += 1;
                }
                Done::Created { inode, directory, path } if !is_synced(inode, at) && !is_synced(directory, at) => {
                    gone.insert(*inode);
                    if Path::new(path).exists() {
                        fs::remove_file(path)?;
                        taken.names += 1;
                    }
                }
                Done::Renamed { directory, from, to, kept } if !is_synced(directory, at) && Path::new(to).exists() => {
                    fs::rename(to, from)?;
                    if kept != "-" {
                        fs::hard_link(self.state.join(kept), to)?;
                    }
                    files = files_below(&self.watched)?;
                    taken.names += 1;
                }
                Done::Removed { directory, path, kept } if !is_synced(directory, at) && !Path::new(path).exists() => {
                    fs::hard_link(self.state.join(kept), path)?;
                    files = files_below(&self.watched)?;
                    taken.names += 1;
                }
                _ => {}
            }
        }
        Ok(taken)
    }
}

fn files_below(directory: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files_below(&entry.path())?),
            false => drop(found.insert(entry.metadata()?.ino(), entry.path())),
        }
    }
    Ok(found)
}

/// The library to load, built once by cargo; it is quick when there is nothing to do.
fn preload() -> anyhow::Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_preload().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("the disk faults cannot be loaded: {error}"))
}

fn build_preload() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "disk-faults-preload", "--message-format", "json", "--manifest-path"]);
    let output = cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/preload/Cargo.toml")).output().context("cargo cannot be run")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let library = said.split('"').find(|text| text.ends_with("libdisk_faults_preload.so"));
    library.map(PathBuf::from).context("cargo did not say where the library is")
}
