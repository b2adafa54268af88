//! Where a topology lies on disk, and which ports its processes have.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use backing_servers::free_listener;
use deploy_api::{Control, ControlError};

/// The port that the first edge asks for; the next regions' edges ask for the next ones.
const FRONT_DOOR: u16 = 8080;

/// Directories of one topology.
#[derive(Clone, Debug)]
pub struct Place {
    pub(crate) name: String,
    root: PathBuf,
    data: PathBuf,
    /// Ports are taken at random, so that tests do not meet.
    any_ports: bool,
}

/// The workspace's target directory.
pub(crate) fn target_directory() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let path = std::env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from);
    // Absolute and without `..`, because processes of other users read it.
    fs::create_dir_all(&path).and_then(|()| path.canonicalize()).unwrap_or(path)
}

impl Place {
    /// `target/deploy/<name>`
    pub fn of(name: &str) -> anyhow::Result<Self> {
        let plain =
            !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        ensure!(plain, "{name:?} is no name of a topology: use letters, digits, '-' and '_'");
        let root = target_directory().join("deploy").join(name);
        Ok(Self { name: name.to_owned(), data: root.join("data"), root, any_ports: false })
    }

    #[must_use]
    pub fn with_data(self, data: &Path) -> Self {
        Self { data: std::path::absolute(data).unwrap_or_else(|_| data.to_owned()), ..self }
    }

    /// For tests: no well-known port is asked for.
    #[must_use]
    pub fn with_any_ports(self) -> Self {
        Self { any_ports: true, ..self }
    }

    pub fn topology_file(&self) -> PathBuf {
        self.root.join("topology.json")
    }

    /// The way to the supervisor that runs here.
    pub fn control(&self) -> Result<Control, ControlError> {
        Control::open(&self.control_file(), &self.name)
    }

    pub(crate) fn control_file(&self) -> PathBuf {
        Control::file_beside(&self.topology_file())
    }

    pub(crate) fn data_of(&self, process: &str) -> PathBuf {
        self.data.join(process)
    }

    pub(crate) fn log_of(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    pub(crate) fn open_log(&self, process: &str) -> anyhow::Result<File> {
        let path = self.log_of(process);
        File::open(&path)
            .with_context(|| format!("there is no log at {}; `cargo deploy status` lists the processes", path.display()))
    }

    /// PostgreSQL runs as a user of its own and must reach its files; where a directory above is closed to it, they lie elsewhere.
    pub(crate) fn postgres_data(&self, process: &str) -> PathBuf {
        let wanted = self.data_of(process);
        if !rustix::process::geteuid().is_root() || passable(&wanted) {
            return wanted;
        }
        let hash = self
            .data_of("postgres")
            .to_string_lossy()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        PathBuf::from(format!("/var/tmp/storefront-{hash:016x}")).join(process)
    }

    pub(crate) fn make(&self) -> anyhow::Result<()> {
        for directory in [self.root.join("logs"), self.data.clone()] {
            fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        Ok(())
    }
}

/// Whether everybody may pass through the directories above.
fn passable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let open = |directory: &Path| fs::metadata(directory).map_or(true, |found| found.permissions().mode() & 0o001 != 0);
    path.ancestors().skip(1).all(open)
}

/// Ports by process and purpose, remembered, so that a process comes back where it was.
pub(crate) struct Ports {
    file: PathBuf,
    known: BTreeMap<String, u16>,
    any: bool,
    /// Held until all ports are chosen, so that no two are the same.
    held: Vec<TcpListener>,
}

impl Ports {
    pub(crate) fn load(place: &Place) -> anyhow::Result<Self> {
        let file = place.data.join("ports.json");
        let known = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged; remove it", file.display()))?,
            Err(_) => BTreeMap::new(),
        };
        Ok(Self { file, known, any: place.any_ports, held: Vec::new() })
    }

    /// The remembered port if it is free, else a free one.
    pub(crate) fn take(&mut self, name: &str) -> anyhow::Result<u16> {
        self.take_wanted(name, None)
    }

    /// The `nth` edge's port.
    pub(crate) fn take_front(&mut self, name: &str, nth: u16) -> anyhow::Result<u16> {
        let wanted = if self.any { None } else { Some(FRONT_DOOR + nth) };
        self.take_wanted(name, wanted)
    }

    fn take_wanted(&mut self, name: &str, wanted: Option<u16>) -> anyhow::Result<u16> {
        let mut choices = self.known.get(name).copied().into_iter().chain(wanted);
        let free = choices.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        let listener = free.map_or_else(free_listener, Ok).context("no port of the loopback interface is free")?;
        let port = listener.local_addr()?.port();
        self.held.push(listener);
        self.known.insert(name.to_owned(), port);
        Ok(port)
    }

    pub(crate) fn save(self) -> anyhow::Result<()> {
        fs::write(&self.file, serde_json::to_vec_pretty(&self.known)?).with_context(|| self.file.display().to_string())
    }
}
