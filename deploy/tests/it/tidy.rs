//! The house rules that a machine can check.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_are_small_and_modules_have_no_mod_rs() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut found);
    assert!(found.len() > 80);
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        assert!(path.file_name().is_none_or(|name| name != "mod.rs"), "{}", path.display());
        let limit = if path.components().any(|part| part.as_os_str() == "tests") { 460 } else { 400 };
        assert!(text.lines().count() <= limit, "{} has over {limit} lines; split it along a noun", path.display());
        assert!(
            text.trim_start().starts_with("//!") || path.ends_with("build.rs"),
            "{} does not say what it owns",
            path.display()
        );
    }
}

#[test]
fn nothing_but_the_consensus_module_knows_openraft() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../inventory-raft/src"), &mut found);
    for path in found.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "consensus")) {
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains("openraft::"), "{} imports openraft", path.display());
    }
}
