//! Loaded into a process by `LD_PRELOAD`: stands before libc's file calls and journals what they do to the watched directory.
//!
//! Plain `std` and libc's own symbols, because whatever it used would be written through itself.

#![allow(unsafe_code, reason = "standing in for libc's functions cannot be done otherwise")]

#[path = "../../src/journal.rs"]
#[allow(dead_code, reason = "the reading half is used by the library that takes back")]
mod journal;
mod real;
mod watch;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::atomic::Ordering,
};

use real::{Iovec, real};
use watch::{Watch, watch};

/// `ENOSPC` and `EIO` of errno(3) on Linux.
const ENOSPC: c_int = 28;
const EIO: c_int = 5;

fn fail(errno: c_int) -> isize {
    real::set_errno(errno);
    -1
}

/// Journals a write and says whether the disk is full.
fn before_write(fd: c_int, offset: Option<u64>, length: usize) -> bool {
    let Some(watch) = watch() else { return false };
    if !watch.is_watched(fd) {
        return false;
    }
    if watch.is_full() {
        return true;
    }
    watch.journal_write(fd, offset, length);
    false
}

fn total(iov: *const Iovec, count: c_int) -> usize {
    // SAFETY: the caller of writev promises `count` valid entries.
    unsafe { std::slice::from_raw_parts(iov, usize::try_from(count).unwrap_or(0)) }.iter().map(|part| part.length).sum()
}

/// # Safety
/// As write(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, length: usize) -> isize {
    if before_write(fd, None, length) { fail(ENOSPC) } else { unsafe { (real().write)(fd, bytes, length) } }
}

/// # Safety
/// As writev(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, iov: *const Iovec, count: c_int) -> isize {
    if before_write(fd, None, total(iov, count)) { fail(ENOSPC) } else { unsafe { (real().writev)(fd, iov, count) } }
}

/// # Safety
/// As pwrite(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, length: usize, offset: i64) -> isize {
    let at = u64::try_from(offset).ok();
    if before_write(fd, at, length) { fail(ENOSPC) } else { unsafe { (real().pwrite64)(fd, bytes, length, offset) } }
}

/// # Safety
/// As ftruncate(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: i64) -> c_int {
    if let Some(watch) = watch().filter(|watch| watch.is_watched(fd)) {
        watch.journal_truncate(fd, u64::try_from(length).unwrap_or(0));
    }
    unsafe { (real().ftruncate64)(fd, length) }
}

fn synced(fd: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    let Some(watch) = watch().filter(|watch| watch.is_watched(fd)) else { return sync() };
    if watch.sync_fails() {
        real::set_errno(EIO);
        return -1;
    }
    if watch.sync_lies() {
        return 0;
    }
    let upto = watch.entries.load(Ordering::SeqCst);
    let done = sync();
    if done == 0 {
        watch.journal_sync(fd, upto);
    }
    done
}

/// # Safety
/// As fsync(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    synced(fd, || unsafe { (real().fsync)(fd) })
}

/// # Safety
/// As fdatasync(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced(fd, || unsafe { (real().fdatasync)(fd) })
}

/// `O_CREAT` and `O_TRUNC` of open(2) on Linux.
const O_CREAT: c_int = 0o100;
const O_TRUNC: c_int = 0o1000;

/// # Safety
/// As open(2). The mode is read also when the caller gave none; libc does the same with a register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: u32) -> c_int {
    let name = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
    let watched = watch().filter(|watch| watch.is_below(&name));
    let is_new = watched.is_some() && flags & O_CREAT != 0 && !std::path::Path::new(&name).exists();
    if is_new && watched.is_some_and(Watch::is_full) {
        real::set_errno(ENOSPC);
        return -1;
    }
    if let Some(watch) = watched.filter(|_| flags & O_TRUNC != 0 && !is_new) {
        watch.journal_truncate_path(&name);
    }
    let fd = unsafe { (real().open64)(path, flags, mode) };
    if let Some(watch) = watched.filter(|_| fd >= 0 && is_new) {
        watch.journal_create(fd, &name);
    }
    fd
}

/// # Safety
/// As rename(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let [source, target] = [from, to].map(|path| unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned());
    if let Some(watch) = watch().filter(|watch| watch.is_below(&target)) {
        watch.journal_rename(&source, &target);
    }
    unsafe { (real().rename)(from, to) }
}

/// # Safety
/// As unlink(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let name = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
    if let Some(watch) = watch().filter(|watch| watch.is_below(&name)) {
        watch.journal_remove(&name);
    }
    unsafe { (real().unlink)(path) }
}
