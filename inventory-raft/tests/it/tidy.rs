//! The pure core stays pure: no clock, randomness, hash order, waiting or I/O.

use std::{fs, path::Path};

#[test]
fn the_ledger_knows_no_clock_no_chance_and_no_hash_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stock");
    let banned =
        ["std::time", "SystemTime", "Instant", "async ", "tokio", "rand::", "HashMap", "HashSet", "std::fs", "std::net", "now_"];
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let found: Vec<_> = banned.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{} says {found:?}", path.display());
        read += 1;
    }
    assert!(read >= 8, "only {read} files read");
}
