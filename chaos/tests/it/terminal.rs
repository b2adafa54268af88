//! `chaos watch` of a topology of which one process is gone, one silent and one there.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::controller::topology;

struct Scene {
    file: PathBuf,
    _folder: tempfile::TempDir,
    /// Takes connections into the kernel's queue and never says a word.
    _silent: TcpListener,
}

impl Scene {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (silent, there) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (deaf, fine) = (silent.local_addr().unwrap().to_string(), there.local_addr().unwrap().to_string());
        std::thread::spawn(move || there.incoming().for_each(drop));
        let process = |name: &str, kind: &str, http: &str, admin: Option<&str>| json!({"name": name, "kind": kind, "region": "eu", "pid": null, "http": http, "admin": admin});
        let processes = json!([
            process("inventory-eu", "inventory", "127.0.0.1:1", Some("127.0.0.1:1")),
            process("redis-eu", "redis", &fine, None),
            process("edge-eu", "edge", &deaf, Some(&deaf)),
        ]);
        Self { file: topology(&folder, processes), _folder: folder, _silent: silent }
    }

    fn watch(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.arg("watch").args(arguments).arg("--topology").arg(&self.file).stdin(Stdio::null());
        command
    }
}

#[test]
fn one_look_tells_who_is_there_and_by_its_exit_code_that_not_all_are() {
    let scene = Scene::set();
    let output = scene.watch(&["--once", "--output", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let picture: Value = serde_json::from_slice(&output.stdout).unwrap();
    let presence = |of: &Value| of["presence"].as_str().unwrap().to_owned();
    assert_eq!(presence(&picture["nodes"][0]), "down");
    assert_eq!(
        [&picture["services"][0], &picture["services"][1]].map(presence),
        ["up", "down"],
        "nobody runs it and it says nothing"
    );
    let text = scene.watch(&["--once"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("THE INVENTORY DOES NOT ANSWER") && text.contains("redis-eu") && !text.contains('\u{1b}'), "{text}");
    let nowhere =
        Command::new(env!("CARGO_BIN_EXE_chaos")).args(["watch", "--once", "--topology", "/nowhere.json"]).output().unwrap();
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("cargo deploy up"));
}

#[test]
fn a_program_reads_a_line_a_look_and_may_stop_reading() {
    let scene = Scene::set();
    let mut process = scene.watch(&["--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let times: Vec<u64> = (0..2)
        .map(|_| serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["at_ms"].as_u64().unwrap())
        .collect();
    assert!(times[0] < times[1]);
    drop(lines);
    assert!(process.wait().unwrap().success(), "who reads no more is no error");
}

#[test]
fn the_terminal_is_as_it_was_however_it_ends() {
    let scene = Scene::set();
    for key in ["q", "\u{3}"] {
        // A terminal of its own (util-linux), which has no size until it is given one; what is typed there comes from here.
        let line =
            format!("stty rows 50 cols 120; exec {} watch --topology {}", env!("CARGO_BIN_EXE_chaos"), scene.file.display());
        let mut terminal = Command::new("script");
        terminal
            .args(["-q", "-f", "-e", "-c", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut terminal = terminal.spawn().unwrap();
        let (mut keys, mut screen, mut seen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap(), Vec::new());
        let began = Instant::now();
        while !String::from_utf8_lossy(&seen).contains("ANSWER") {
            let mut piece = [0; 4096];
            let length = screen.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..length]);
            assert!(length > 0 && began.elapsed() < Duration::from_secs(60), "{}", String::from_utf8_lossy(&seen));
        }
        keys.write_all(key.as_bytes()).unwrap();
        keys.flush().unwrap();
        screen.read_to_end(&mut seen).unwrap();
        assert!(terminal.wait().unwrap().success());
        let seen = String::from_utf8_lossy(&seen);
        let (on, off) = (seen.find("\u{1b}[?1049h").unwrap(), seen.rfind("\u{1b}[?1049l").unwrap());
        assert!(on < off && seen[off..].contains("\u{1b}[?25h"), "the screen and the cursor are back: {seen:?}");
    }
}
