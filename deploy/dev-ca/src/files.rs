//! Files that appear whole or not at all, keys readable by their owner alone.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use crate::DevCaError;

fn failed(path: &Path) -> impl Fn(io::Error) -> DevCaError + '_ {
    |source| DevCaError::Io { path: path.to_owned(), source }
}

pub(crate) fn make_private(directory: &Path) -> Result<(), DevCaError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))
}

/// `None`: there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, DevCaError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8], private: bool) -> Result<(), DevCaError> {
    let temporary = path.with_extension("new");
    // One that a crash left may have any mode.
    let _ = fs::remove_file(&temporary);
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(if private { 0o600 } else { 0o644 }).open(&temporary);
    let written = open.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&temporary, path)).map_err(failed(path))
}
