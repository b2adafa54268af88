//! What a shell wrote, with and without a sync, after its power was cut.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use std::{fs, path::PathBuf, process::Command};

use disk_faults::{DiskFaults, TakenBack};

struct Disk {
    _folder: tempfile::TempDir,
    data: PathBuf,
    faults: DiskFaults,
}

fn disk() -> Disk {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let faults = DiskFaults::new(&data, &folder.path().join("state")).unwrap();
    Disk { data, faults, _folder: folder }
}

impl Disk {
    /// Runs a script in the data directory; whether it went well.
    fn run(&self, script: &str) -> bool {
        let mut shell = Command::new("sh");
        self.faults.apply(&mut shell).unwrap();
        // The shell's own complaints are the point of some tests.
        shell.args(["-c", script]).current_dir(&self.data).stderr(std::process::Stdio::null()).status().unwrap().success()
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.data.join(name)).ok()
    }
}

#[test]
fn only_what_was_synced_outlives_a_power_cut() {
    let disk = disk();
    let file = disk.data.join("kept").display().to_string();
    assert!(disk.run(&format!("echo one > {file}; sync {file}; echo two >> {file}")));
    assert_eq!(disk.read("kept").as_deref(), Some("one\ntwo\n"), "the page cache has all before the cut");
    assert_eq!(disk.faults.take_back().unwrap(), TakenBack { writes: 1, names: 0 });
    assert_eq!(disk.read("kept").as_deref(), Some("one\n"));

    let lost = disk.data.join("lost").display().to_string();
    assert!(disk.run(&format!("echo one > {lost}; echo three > {file}")));
    disk.faults.take_back().unwrap();
    assert_eq!(disk.read("lost"), None, "a file that nothing synced stayed");
    assert_eq!(disk.read("kept").as_deref(), Some("one\n"), "a file that was emptied and written anew lost its synced content");
}

#[test]
fn names_count_once_their_directory_was_synced() {
    let disk = disk();
    let at = |name: &str| disk.data.join(name).display().to_string();
    let (old, new, all) = (at("old"), at("new"), disk.data.display().to_string());
    assert!(disk.run(&format!("echo one > {old}; sync {old} {all}")));
    let rename = format!("perl -e 'rename \"{old}\", \"{new}\"'"); // rename(2), as programs call it; mv takes renameat2
    assert!(disk.run(&rename));
    disk.faults.take_back().unwrap();
    assert_eq!((disk.read("old").is_some(), disk.read("new").is_some()), (true, false));
    assert!(disk.run(&format!("{rename}; sync {all}")));
    disk.faults.take_back().unwrap();
    assert_eq!((disk.read("old").is_some(), disk.read("new").is_some()), (false, true));
}

#[test]
fn a_disk_can_be_full_or_broken_and_well_again() {
    let disk = disk();
    let file = disk.data.join("file").display().to_string();
    disk.faults.set_full(true).unwrap();
    assert!(!disk.run(&format!("echo one > {file}")));
    disk.faults.set_full(false).unwrap();
    assert!(disk.run(&format!("echo one > {file}")));
    disk.faults.set_sync_fails(true).unwrap();
    assert!(!disk.run(&format!("sync {file}")));
    disk.faults.set_sync_fails(false).unwrap();
    assert!(disk.run(&format!("sync {file}")));
    disk.faults.set_sync_lies(true).unwrap();
    assert!(disk.run(&format!("echo two >> {file}; sync {file}")));
    disk.faults.take_back().unwrap();
    assert_eq!(disk.read("file").as_deref(), Some("one\n"), "a sync that lied kept something");
}
