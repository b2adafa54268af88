//! A topology of the test's own, from the programs that are built already.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use deploy::{Place, Programs, Spec, Supervisor, seed};
use deploy_api::{ProcessKind, Topology};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A topology is a dozen processes: two side by side on two processors time each other out. Where each test is a process of its own,
/// `.config/nextest.toml` says the same.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

pub(crate) struct Running {
    pub(crate) supervisor: Supervisor,
    pub(crate) place: Place,
    folder: tempfile::TempDir,
    _turn: SemaphorePermit<'static>,
}

/// A product with no stock of its own but what the test receives.
pub(crate) const SALE_CSV: &str = "Handle,Title,Type,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n\
    sale,Sale Lamp,Home > Lighting,Title,Default Title,SALE-1,0,19.99\n\
    calm,Calm Lamp,Home > Lighting,Title,Default Title,CALM-1,30,9.50\n";

impl Running {
    pub(crate) async fn start() -> Self {
        Self::of(Spec::read(None).unwrap()).await
    }

    /// A built-in topology by its name.
    pub(crate) async fn start_of(topology: &'static str) -> Self {
        Self::of(Spec::read(Some(Path::new(topology))).unwrap()).await
    }

    pub(crate) async fn of(spec: Spec) -> Self {
        Self::with(spec, SALE_CSV).await
    }

    pub(crate) async fn selling(catalog: &str) -> Self {
        Self::with(Spec::read(None).unwrap(), catalog).await
    }

    /// Starts in a blocking thread, because starting waits on processes.
    async fn with(spec: Spec, catalog: &str) -> Self {
        let turn = ONE_AT_A_TIME.acquire().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("sale.csv");
        std::fs::write(&csv, catalog).unwrap();
        let name = format!("test-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let place = Place::of(&name).unwrap().with_any_ports();
        let at = place.clone();
        let start = move || {
            let supervisor = Supervisor::start(at, &spec, Programs::built(false)).unwrap();
            seed(&supervisor, &[csv]).unwrap();
            supervisor
        };
        let supervisor = tokio::task::spawn_blocking(start).await.unwrap();
        let running = Self { supervisor, place, folder, _turn: turn };
        running.sells().await;
        running
    }

    /// An import is done when PostgreSQL has it; the catalog sells from memory, a moment later.
    async fn sells(&self) {
        let catalog = self.topology().http_of(ProcessKind::Catalog).swap_remove(0);
        let page = format!("http://{catalog}/v1/products?limit=1");
        eventually("something to buy", async || {
            let page: serde_json::Value = reqwest::get(&page).await.ok()?.json().await.ok()?;
            (!page["items"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }

    /// Imports another export of the catalog: prices change, products go and come.
    pub(crate) async fn import(&self, csv: &str) {
        let path = self.folder.path().join("next.csv");
        std::fs::write(&path, csv).unwrap();
        let supervisor = self.supervisor.clone();
        tokio::task::spawn_blocking(move || seed(&supervisor, &[path])).await.unwrap().unwrap();
    }

    pub(crate) fn topology(&self) -> Topology {
        self.supervisor.topology()
    }

    pub(crate) fn edges(&self) -> Vec<String> {
        self.topology().http_of(ProcessKind::Edge)
    }

    pub(crate) async fn kill(&self, name: &str) {
        let (supervisor, name) = (self.supervisor.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || supervisor.kill(&name)).await.unwrap().unwrap();
    }

    pub(crate) async fn kill_all(&self, names: Vec<String>) {
        let supervisor = self.supervisor.clone();
        tokio::task::spawn_blocking(move || supervisor.kill_all(&names)).await.unwrap().unwrap();
    }

    /// Gives those that run and are not ready.
    pub(crate) async fn start_all_of(&self, names: Vec<String>) -> Vec<String> {
        let supervisor = self.supervisor.clone();
        tokio::task::spawn_blocking(move || supervisor.start_all_of(&names)).await.unwrap().unwrap()
    }

    pub(crate) async fn start_process(&self, name: &str) {
        let (supervisor, name) = (self.supervisor.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || supervisor.start_process(&name)).await.unwrap().unwrap();
    }

    /// Name of the inventory process that leads.
    pub(crate) async fn leader(&self) -> String {
        let topology = self.topology();
        let client = chaos::audit::inventory(&topology).unwrap();
        eventually("a leader", async || {
            let view = client.cluster(&storefront_types::CallContext::background(uuid::Uuid::new_v4())).await.ok()?;
            let leader = view.leader?.address;
            topology.processes.iter().find(|process| process.http == leader).map(|process| process.name.clone())
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.supervisor.stop();
        let _ = std::fs::remove_dir_all(directory(&self.place));
    }
}

fn directory(place: &Place) -> PathBuf {
    place.topology_file().parent().unwrap().to_owned()
}

/// Asks until the answer is there or the deadline over.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
