//! The command line of each kind of process.

use std::path::PathBuf;

use deploy_api::{Link, ProcessKind};

use crate::{
    certificates::Certificates,
    database::Database,
    fault_points::FaultPoints,
    links::{End, Links, NOWHERE},
    plan::{Place, Ports},
    secrets::Secrets,
    topology::{Payments, Spec},
};

/// Requests of one client of an edge, RATE:BURST: here all clients are 127.0.0.1, and may take all that the machine has.
const LOCAL_LIMIT: &str = "1000000:1000000";

/// How late work may run before an edge sheds: fourteen processes share one machine, and one's lateness is not its own load.
const LOCAL_LAG_MS: &str = "500";

/// A service as it is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) kind: ProcessKind,
    pub(crate) region: String,
    pub(crate) program: &'static str,
    pub(crate) arguments: Vec<String>,
    /// Secrets go by the environment: command lines are readable by everybody.
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) http: String,
    pub(crate) admin: String,
    pub(crate) data_dir: Option<PathBuf>,
}

/// Addresses of one topology.
pub(crate) struct Plan {
    pub(crate) services: Vec<Service>,
    pub(crate) database: Database,
    /// Region and port.
    pub(crate) redis: Vec<(String, u16)>,
    pub(crate) links: Vec<Link>,
}

struct Nodes<'a> {
    links: &'a Links<'a>,
    spec: &'a Spec,
    place: &'a Place,
    secrets: &'a Secrets,
    certificates: &'a Certificates,
    key: PathBuf,
    database: Database,
    catalog: (u16, u16),
    /// For each region: client, Raft and admin port.
    inventory: Vec<(u16, u16, u16)>,
    orders: Vec<(u16, u16)>,
    edges: Vec<(u16, u16)>,
    redis: Vec<(String, u16)>,
    /// HTTP and admin port of the sandbox, where there is one.
    payments: Option<(u16, u16)>,
    /// HTTP and admin port of the drill controller, where there is one.
    drills: Option<(u16, u16)>,
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn texts<const N: usize>(of: [&str; N]) -> Vec<String> {
    of.into_iter().map(str::to_owned).collect()
}

pub(crate) fn plan(
    place: &Place,
    spec: &Spec,
    secrets: &Secrets,
    certificates: &Certificates,
    key: PathBuf,
) -> anyhow::Result<Plan> {
    let mut ports = Ports::load(place)?;
    let names: Vec<&str> = spec.regions.iter().map(|region| region.name.as_str()).collect();
    let stores = spec.storefronts().len();
    let mut edges = Vec::new();
    for (nth, name) in (0_u16..).zip(&names[..stores]) {
        edges.push((ports.take_front(&format!("edge-{name}"), nth)?, ports.take(&format!("edge-{name}-admin"))?));
    }
    let (mut inventory, mut orders, mut redis) = (Vec::new(), Vec::new(), Vec::new());
    for (nth, name) in names.iter().enumerate() {
        let mut of = |purpose: &str| ports.take(&format!("{purpose}-{name}"));
        inventory.push((of("inventory")?, of("inventory-raft")?, of("inventory-admin")?));
        if nth < stores {
            orders.push((of("orders")?, of("orders-admin")?));
            redis.push(((*name).to_owned(), of("redis")?));
        }
    }
    let catalog = (ports.take("catalog")?, ports.take("catalog-admin")?);
    let mut database = Database::plan(spec, &mut ports)?;
    let payments = match spec.payments {
        Payments::None => None,
        Payments::Sandbox => Some((ports.take("payment-sandbox")?, ports.take("payment-sandbox-admin")?)),
    };
    let drills = if spec.drills { Some((ports.take("drills")?, ports.take("drills-admin")?)) } else { None };
    let links = Links::new(spec, ports)?;
    database.lead(&links)?;
    let nodes = Nodes {
        links: &links,
        spec,
        place,
        secrets,
        certificates,
        key,
        database,
        catalog,
        inventory,
        orders,
        edges,
        redis,
        payments,
        drills,
    };
    let mut services = vec![nodes.catalog()?];
    for nth in 0..names.len() {
        services.push(nodes.inventory(nth)?);
        if nth < stores {
            services.extend([nodes.orders(nth)?, nodes.edge(nth)?]);
        }
    }
    services.extend(nodes.payment_sandbox()?);
    services.extend(nodes.drill_controller());
    let (database, redis) = (nodes.database, nodes.redis);
    let (links, proxy) = links.finish(place, &secrets.control)?;
    services.extend(proxy);
    Ok(Plan { services, database, redis, links })
}

impl Nodes<'_> {
    fn region(&self, nth: usize) -> &str {
        &self.spec.regions[nth].name
    }

    /// `host:port` of each region's node as everybody knows it, with the region in front if wanted.
    fn inventory_list(&self, named: bool) -> String {
        let item = |(nth, (port, ..)): (usize, &(u16, u16, u16))| match named {
            true => format!("{}={}", self.region(nth), at(*port)),
            false => at(*port),
        };
        self.inventory.iter().enumerate().map(item).collect::<Vec<_>>().join(",")
    }

    fn inventory_clients(&self) -> Vec<u16> {
        self.inventory.iter().map(|(client, ..)| *client).collect()
    }

    /// Where a process reaches another one's port.
    fn reach(&self, from: &Service, (to, region): (&str, &str), port: u16) -> anyhow::Result<String> {
        Ok(at(self.links.port(End::new(&from.name, &from.region), End::new(to, region), "", port)?))
    }

    fn reach_catalog(&self, from: &Service) -> anyhow::Result<String> {
        self.reach(from, ("catalog", self.spec.catalog_region()), self.catalog.0)
    }

    fn reach_redis(&self, from: &Service, nth: usize) -> anyhow::Result<String> {
        let (region, port) = &self.redis[nth];
        Ok(format!("redis://{}", self.reach(from, (&format!("redis-{region}"), region), *port)?))
    }

    fn database_url(&self, from: &Service, database: &str, password: &str) -> anyhow::Result<String> {
        let (name, region, port) = self.database.door_for(&from.region);
        Ok(format!("postgres://{database}:{password}@{}/{database}", self.reach(from, (&name, region), port)?))
    }

    /// How a process goes around to the nodes of the inventory, which everybody knows by one address. Nothing where there are no links.
    fn ways_to_inventory(&self, from: &Service, flag: &str) -> anyhow::Result<Vec<String>> {
        if !self.spec.has_links() {
            return Ok(Vec::new());
        }
        let is_node = from.kind == ProcessKind::Inventory;
        let mut ways = Vec::new();
        for (nth, (client, raft, _)) in self.inventory.iter().enumerate() {
            let (name, port) = (format!("inventory-{}", self.region(nth)), if is_node { *raft } else { *client });
            if name != from.name {
                ways.push(format!("{}={}", at(port), self.reach(from, (&name, self.region(nth)), port)?));
            }
        }
        Ok(if ways.is_empty() { ways } else { texts([flag, &ways.join(",")]) })
    }

    fn service(
        &self,
        name: String,
        kind: ProcessKind,
        region: &str,
        program: &'static str,
        (http, admin): (u16, u16),
    ) -> Service {
        let (http, admin) = (at(http), at(admin));
        let arguments = texts(["--listen", &http, "--admin", &admin, "--region", region]);
        Service {
            name,
            kind,
            region: region.to_owned(),
            program,
            arguments,
            environment: Vec::new(),
            http,
            admin,
            data_dir: None,
        }
    }

    fn inventory(&self, nth: usize) -> anyhow::Result<Service> {
        let region = self.region(nth);
        let name = format!("inventory-{region}");
        let (client, raft, admin) = self.inventory[nth];
        let peer = |(nth, (client, raft, _)): (usize, &(u16, u16, u16))| {
            format!("{}={}@{}@{}", nth + 1, self.region(nth), at(*client), at(*raft))
        };
        let peers: Vec<String> = self.inventory.iter().enumerate().map(peer).collect();
        let data = self.place.data_of(&name);
        let mut service = self.service(name, ProcessKind::Inventory, region, "inventory-raft", (client, admin));
        let (id, timing) = ((nth + 1).to_string(), &self.spec.inventory);
        service.arguments.extend(texts([
            "--node-id",
            &id,
            "--raft-listen",
            &at(raft),
            "--peers",
            &peers.join(","),
            "--bootstrap",
        ]));
        service.arguments.extend(texts(["--data-dir", &data.to_string_lossy(), "--cluster-id", &self.place.name]));
        let (heartbeat, election) = (timing.heartbeat_ms.to_string(), timing.election_ms.to_string());
        service.arguments.extend(texts(["--heartbeat-ms", &heartbeat, "--election-ms", &election]));
        if let Some(region) = self.spec.leader_region() {
            service.arguments.extend(texts(["--leader-region", region]));
        }
        service.arguments.extend(self.ways_to_inventory(&service, "--via")?);
        if self.spec.fault_points {
            let points = FaultPoints::of(self.place, &service.name);
            service.arguments.extend(texts(["--clock-offset-file", &points.clock_file().to_string_lossy()]));
            service.environment.extend(points.environment(&data)?);
        }
        service.arguments.extend(self.certificates.node(&service.name, nth + 1)?);
        Ok(Service { data_dir: Some(data), ..service })
    }

    fn catalog(&self) -> anyhow::Result<Service> {
        let region = self.spec.catalog_region();
        let mut service = self.service("catalog".to_owned(), ProcessKind::Catalog, region, "catalog", self.catalog);
        service.arguments.insert(0, "serve".to_owned());
        service.arguments.extend(texts(["--inventory", &self.inventory_list(false)]));
        service.arguments.extend(self.ways_to_inventory(&service, "--inventory-via")?);
        service.environment.push(("DATABASE_URL", self.database_url(&service, "catalog", &self.secrets.catalog)?));
        service.arguments.extend(self.certificates.client(&service.name)?);
        Ok(service)
    }

    fn orders(&self, nth: usize) -> anyhow::Result<Service> {
        let region = self.region(nth);
        let mut service = self.service(format!("orders-{region}"), ProcessKind::Orders, region, "orders", self.orders[nth]);
        service.arguments.insert(0, "serve".to_owned());
        let (redis, catalog) = (self.reach_redis(&service, nth)?, self.reach_catalog(&service)?);
        // The region's own node first: it is asked before the others.
        let mut inventory = self.inventory_clients();
        inventory.rotate_left(nth);
        let inventory: Vec<String> = inventory.into_iter().map(at).collect();
        service.arguments.extend(texts(["--inventory", &inventory.join(","), "--catalog", &catalog]));
        service.arguments.extend(self.ways_to_inventory(&service, "--inventory-via")?);
        service.arguments.extend(texts(["--redis-url", &redis, "--internal-key-file", &self.key.to_string_lossy()]));
        service.environment.push(("DATABASE_URL", self.database_url(&service, "orders", &self.secrets.orders)?));
        // Who may stop the topology may work on orders.
        service.environment.push(("ADMIN_TOKEN", self.secrets.control.clone()));
        service.arguments.extend(self.certificates.client(&service.name)?);
        if let Some((sandbox, _)) = self.payments {
            let secret = self.webhook_secret()?;
            let sandbox = self.reach(&service, ("payment-sandbox", self.region(0)), sandbox)?;
            service.arguments.extend(texts(["--payments", "sandbox", "--payment-url", &format!("http://{sandbox}")]));
            service.arguments.extend(texts(["--payment-webhook-secret-file", &secret]));
        }
        Ok(service)
    }

    fn webhook_secret(&self) -> anyhow::Result<String> {
        Ok(Secrets::webhook_secret(&self.place.data_of(""))?.to_string_lossy().into_owned())
    }

    /// One provider for all regions, as a shop has one. It tells every region's `orders` what happened; one of them takes it.
    fn payment_sandbox(&self) -> anyhow::Result<Option<Service>> {
        let Some(ports) = self.payments else { return Ok(None) };
        let name = "payment-sandbox".to_owned();
        let data = self.place.data_of(&name);
        std::fs::create_dir_all(&data)?;
        let mut service = self.service(name, ProcessKind::Payments, self.region(0), "orders", ports);
        let file = data.join("payments.jsonl");
        let mut webhooks = Vec::new();
        for (nth, (http, _)) in self.orders.iter().enumerate() {
            let orders = self.reach(&service, (&format!("orders-{}", self.region(nth)), self.region(nth)), *http)?;
            webhooks.push(format!("http://{orders}/v1/payments/webhooks"));
        }
        service.arguments = texts(["payment-sandbox", "--listen", &service.http, "--admin", &service.admin]);
        service.arguments.extend(texts(["--file", &file.to_string_lossy(), "--webhook", &webhooks.join(",")]));
        service.arguments.extend(texts(["--webhook-secret-file", &self.webhook_secret()?]));
        Ok(Some(Service { data_dir: Some(data), ..service }))
    }

    /// One for all regions, and in none of them, so that none takes it along.
    fn drill_controller(&self) -> Option<Service> {
        let ports = self.drills?;
        let mut service = self.service("drills".to_owned(), ProcessKind::Drills, NOWHERE, "chaos", ports);
        let topology = self.place.topology_file();
        service.arguments = texts(["serve", "--listen", &service.http, "--admin", &service.admin]);
        service.arguments.extend(texts(["--topology", &topology.to_string_lossy()]));
        // Who may stop the topology may break it.
        service.environment.push(("CONTROLLER_TOKEN", self.secrets.control.clone()));
        Some(service)
    }

    fn edge(&self, nth: usize) -> anyhow::Result<Service> {
        let region = self.region(nth);
        let mut service = self.service(format!("edge-{region}"), ProcessKind::Edge, region, "storefront-edge", self.edges[nth]);
        let mut orders = Vec::new();
        for (nth, (http, _)) in self.orders.iter().enumerate() {
            let region = self.region(nth);
            orders.push(format!("{region}={}", self.reach(&service, (&format!("orders-{region}"), region), *http)?));
        }
        let catalog = self.reach_catalog(&service)?;
        service.arguments.extend(texts(["--catalog", &catalog, "--orders", &orders.join(",")]));
        service.arguments.extend(texts(["--inventory", &self.inventory_list(true)]));
        service.arguments.extend(self.ways_to_inventory(&service, "--inventory-via")?);
        // A node waits up to twice election_ms, and twice that where fourteen processes share a machine.
        let (redis, election) = (self.reach_redis(&service, nth)?, 4 * self.spec.inventory.election_ms);
        service.arguments.extend(texts(["--redis", &redis, "--election-timeout-ms", &election.to_string()]));
        let mut everywhere = Vec::new();
        for (nth, (region, _)) in self.redis.iter().enumerate() {
            everywhere.push(format!("{region}={}", self.reach_redis(&service, nth)?));
        }
        service.arguments.extend(texts(["--purge-redis", &everywhere.join(",")]));
        // Who may stop the topology may purge.
        service.environment.push(("ADMIN_TOKEN", self.secrets.control.clone()));
        if let Some((controller, _)) = self.drills {
            // Not over a link: operators look on while everything else is cut off.
            service.arguments.extend(texts(["--controller", &at(controller)]));
        }
        service.arguments.extend(texts(["--max-lag-ms", LOCAL_LAG_MS]));
        for limit in ["--limit-browse", "--limit-personal", "--limit-checkout"] {
            service.arguments.extend(texts([limit, LOCAL_LIMIT]));
        }
        service.arguments.extend(self.certificates.client(&service.name)?);
        Ok(service)
    }
}
