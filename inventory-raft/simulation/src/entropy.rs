//! The randomness of a run comes from its seed: hash keys, election timeouts, ids, the order in which `select!` looks.
//!
//! Whatever asks the operating system for random bytes calls libc's `getrandom`; the one here stands before it. A thread that runs
//! no simulation gets the operating system's bytes.

#![allow(unsafe_code, reason = "standing in for libc's function cannot be done otherwise")]

use std::{
    cell::Cell,
    collections::hash_map::RandomState,
    ffi::{c_uint, c_void},
    fs::File,
    io::Read,
};

use crate::dice;

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on this thread's randomness is the seed's. What it drew before, as the keys of its hash maps, stays: begin with a thread
/// that has done nothing yet.
pub(crate) fn seed(seed: u64) {
    STATE.set(Some(seed));
}

/// Whether what draws on this thread draws from the seed. A linker that sees the whole program may bind libc's function instead.
pub(crate) fn is_in_place() -> bool {
    let draws = |draw: &dyn Fn()| {
        let before = STATE.get();
        draw();
        before != STATE.get()
    };
    // The standard library draws the keys of a thread's hash maps once.
    let keys = draws(&|| drop(RandomState::new()));
    keys && draws(&|| {
        let _ = getrandom::fill(&mut [0; 8]);
    })
}

/// Fills a buffer as getrandom(2) does.
///
/// # Safety
/// `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller promises the room.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let Some(mut state) = STATE.get() else {
        let filled = File::open("/dev/urandom").and_then(|mut source| source.read_exact(bytes));
        return if filled.is_ok() { isize::try_from(length).unwrap_or(isize::MAX) } else { -1 };
    };
    for chunk in bytes.chunks_mut(8) {
        let (next, drawn) = dice::step(state);
        state = next;
        chunk.copy_from_slice(&drawn.to_le_bytes()[..chunk.len()]);
    }
    STATE.set(Some(state));
    isize::try_from(length).unwrap_or(isize::MAX)
}
