//! What fuzzing found worth keeping still holds. Must not: look for more; `cargo fuzz` does.

use std::{fs, path::Path};

use crate::heads::heads;

#[test]
fn every_kept_head_still_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/heads");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| heads(&bytes));
        assert!(held.is_ok(), "{}", path.display());
        // Broken off anywhere as well.
        (0..bytes.len()).for_each(|end| heads(&bytes[..end]));
        replayed += 1;
    }
    assert!(replayed >= 20, "the corpus is gone: {replayed}");
}
