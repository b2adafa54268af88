//! Writing while clients run: they wait when the disk is slow, and nothing that was handed over is dropped.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use tokio::{sync::mpsc, task::JoinHandle};

use super::MAX_LINES;

/// Lines on their way to the file: at about 250 bytes, 4 MiB.
const WAITING: usize = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    #[error("{path} cannot be written: {source}")]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("{path}: over {MAX_LINES} lines in one run; make it shorter or slower")]
    TooLong { path: PathBuf },
    #[error("{path}: the writer ended before the run did")]
    Ended { path: PathBuf },
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer<T> {
    lines: mpsc::Sender<T>,
}

/// The file's end, to wait for once all writers are gone.
#[derive(Debug)]
pub struct Written {
    path: PathBuf,
    task: JoinHandle<Result<u64, WriterError>>,
}

impl<T: Serialize + Send + 'static> Writer<T> {
    /// An existing file is replaced.
    pub fn create(path: &Path) -> Result<(Self, Written), WriterError> {
        Self::open(path, |path| File::create(path))
    }

    /// Goes on behind what is there.
    pub fn append(path: &Path) -> Result<(Self, Written), WriterError> {
        Self::open(path, |path| File::options().append(true).open(path))
    }

    fn open(path: &Path, open: impl for<'a> FnOnce(&'a Path) -> std::io::Result<File>) -> Result<(Self, Written), WriterError> {
        let path = path.to_owned();
        let unwritable = |source| WriterError::Unwritable { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let mut file = BufWriter::new(open(&path).map_err(unwritable)?);
        let (lines, mut waiting) = mpsc::channel::<T>(WAITING);
        let named = path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let unwritable = |source| WriterError::Unwritable { path: path.clone(), source };
            let mut written = 0;
            while let Some(line) = waiting.blocking_recv() {
                written += 1;
                if written > MAX_LINES {
                    return Err(WriterError::TooLong { path });
                }
                serde_json::to_writer(&mut file, &line).map_err(|wrong| unwritable(wrong.into()))?;
                file.write_all(b"\n").map_err(unwritable)?;
            }
            file.flush().map_err(unwritable)?;
            Ok(written)
        });
        Ok((Self { lines }, Written { path: named, task }))
    }

    /// Hands a line over. After the writer failed, lines go nowhere: [`Written::end`] tells why.
    pub async fn write(&self, line: T) {
        let _ = self.lines.send(line).await;
    }
}

impl Written {
    /// Waits until everything is in the file; gives the lines. All writers must be gone.
    pub async fn end(self) -> Result<u64, WriterError> {
        let Self { path, task } = self;
        task.await.map_err(|_| WriterError::Ended { path })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Op, Operation, Out, read_operations};

    #[tokio::test]
    async fn everything_that_was_handed_over_is_read_again_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/history.jsonl");
        let (writer, written) = Writer::create(&path).unwrap();
        for call in 0..1_000 {
            let (op, out, sku, id) = (Op::Receive, Out::Ok, "cup".to_owned(), format!("id-{call}"));
            writer.write(Operation { client: 1, op, sku, id, qty: 1, call, ret: Some(call), out, value: None, ver: None }).await;
        }
        drop(writer);
        assert_eq!(written.end().await.unwrap(), 1_000);
        let read = read_operations(&path).unwrap();
        assert!(read.len() == 1_000 && read.is_sorted_by_key(|line| line.call));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_made_is_named() {
        let wrong = Writer::<Operation>::create(Path::new("/proc/nothing/history.jsonl")).unwrap_err();
        assert!(wrong.to_string().starts_with("/proc/nothing/history.jsonl cannot be written"));
    }
}
