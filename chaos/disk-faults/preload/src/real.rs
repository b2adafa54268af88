//! libc's own functions behind the ones of this library.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::OnceLock,
};

/// `struct iovec` of readv(2).
#[repr(C)]
pub struct Iovec {
    pub base: *mut c_void,
    pub length: usize,
}

type Write = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
type Writev = unsafe extern "C" fn(c_int, *const Iovec, c_int) -> isize;
type Pwrite64 = unsafe extern "C" fn(c_int, *const c_void, usize, i64) -> isize;
type Ftruncate64 = unsafe extern "C" fn(c_int, i64) -> c_int;
type Sync = unsafe extern "C" fn(c_int) -> c_int;
type Open64 = unsafe extern "C" fn(*const c_char, c_int, u32) -> c_int;
type Rename = unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;
type Unlink = unsafe extern "C" fn(*const c_char) -> c_int;

pub(crate) struct Real {
    pub(crate) write: Write,
    pub(crate) writev: Writev,
    pub(crate) pwrite64: Pwrite64,
    pub(crate) ftruncate64: Ftruncate64,
    pub(crate) fsync: Sync,
    pub(crate) fdatasync: Sync,
    pub(crate) open64: Open64,
    pub(crate) rename: Rename,
    pub(crate) unlink: Unlink,
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
}

/// `RTLD_NEXT` of dlsym(3): the next library in the order of search.
const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

fn next(name: &CStr) -> *mut c_void {
    // SAFETY: dlsym takes any name; a missing one gives null, which no libc on Linux does for these.
    let found = unsafe { dlsym(RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "libc has no {name:?}");
    found
}

pub(crate) fn real() -> &'static Real {
    static REAL: OnceLock<Real> = OnceLock::new();
    // SAFETY: each name has the type that its manual page gives it.
    REAL.get_or_init(|| unsafe {
        Real {
            write: std::mem::transmute::<*mut c_void, Write>(next(c"write")),
            writev: std::mem::transmute::<*mut c_void, Writev>(next(c"writev")),
            pwrite64: std::mem::transmute::<*mut c_void, Pwrite64>(next(c"pwrite64")),
            ftruncate64: std::mem::transmute::<*mut c_void, Ftruncate64>(next(c"ftruncate64")),
            fsync: std::mem::transmute::<*mut c_void, Sync>(next(c"fsync")),
            fdatasync: std::mem::transmute::<*mut c_void, Sync>(next(c"fdatasync")),
            open64: std::mem::transmute::<*mut c_void, Open64>(next(c"open64")),
            rename: std::mem::transmute::<*mut c_void, Rename>(next(c"rename")),
            unlink: std::mem::transmute::<*mut c_void, Unlink>(next(c"unlink")),
        }
    })
}

pub(crate) fn set_errno(value: c_int) {
    // SAFETY: errno is the calling thread's own.
    unsafe { *__errno_location() = value };
}
