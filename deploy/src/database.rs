//! PostgreSQL of a topology: one server, or a primary and its standbys in regions of their own.
//!
//! Owns: which processes that takes, their addresses, and which port a service is to use. Must not: start anything.

mod primary;

use backing_servers::{Etcd, Haproxy, Passwords, Patroni, Upstream};
use deploy_api::{Process, ProcessKind};

use crate::{
    keeper::Kind,
    links::{End, Links},
    plan::{Place, Ports},
    secrets::{ReplicationSecrets, Secrets},
    topology::Spec,
};

pub(crate) use primary::{Member, wait_for_primary, wait_for_standby};

struct Server {
    name: String,
    region: String,
    port: u16,
    /// Of its Patroni, where there are several.
    rest: Option<u16>,
    /// Client ports of etcd's members, as it reaches them.
    etcd: Vec<u16>,
}

struct EtcdPorts {
    name: String,
    region: String,
    client: u16,
    peer: u16,
}

struct Proxy {
    region: String,
    port: u16,
    admin: u16,
    /// The servers, as it reaches them.
    upstreams: Vec<Upstream>,
}

/// Addresses of PostgreSQL and of what keeps it.
pub(crate) struct Database {
    servers: Vec<Server>,
    etcd: Vec<EtcdPorts>,
    /// One in each region, so that no region's loss takes the way to the primary from another.
    proxies: Vec<Proxy>,
    lease_s: u64,
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

impl Database {
    pub(crate) fn plan(spec: &Spec, ports: &mut Ports) -> anyhow::Result<Self> {
        let Some(replicated) = &spec.postgres else {
            let (name, region) = ("postgres".to_owned(), spec.regions[0].name.clone());
            let one = Server { name, region, port: ports.take("postgres")?, rest: None, etcd: Vec::new() };
            return Ok(Self { servers: vec![one], etcd: Vec::new(), proxies: Vec::new(), lease_s: 0 });
        };
        let (mut servers, mut etcd, mut proxies) = (Vec::new(), Vec::new(), Vec::new());
        for region in &replicated.regions {
            let name = format!("postgres-{region}");
            let (port, rest) = (ports.take(&name)?, Some(ports.take(&format!("patroni-{region}"))?));
            servers.push(Server { name, region: region.clone(), port, rest, etcd: Vec::new() });
        }
        for region in spec.regions.iter().map(|region| region.name.clone()) {
            let name = format!("etcd-{region}");
            let (client, peer) = (ports.take(&name)?, ports.take(&format!("etcd-peer-{region}"))?);
            etcd.push(EtcdPorts { name, region: region.clone(), client, peer });
            let (port, admin) = (ports.take(&format!("haproxy-{region}"))?, ports.take(&format!("haproxy-admin-{region}"))?);
            proxies.push(Proxy { region, port, admin, upstreams: Vec::new() });
        }
        Ok(Self { servers, etcd, proxies, lease_s: replicated.lease_s })
    }

    /// Leads what the servers say to etcd, and the proxies to the servers, through links. What etcd's members say to each other, and a standby
    /// to its primary, goes by addresses that all of them share, and is not.
    pub(crate) fn lead(&mut self, links: &Links<'_>) -> anyhow::Result<()> {
        for server in &mut self.servers {
            let from = End::new(&server.name, &server.region);
            let reach = |member: &EtcdPorts| links.port(from, End::new(&member.name, &member.region), "", member.client);
            server.etcd = self.etcd.iter().map(reach).collect::<anyhow::Result<_>>()?;
        }
        for proxy in &mut self.proxies {
            let name = format!("haproxy-{}", proxy.region);
            let from = End::new(&name, &proxy.region);
            for server in &self.servers {
                let Some(rest) = server.rest else { continue };
                let to = End::new(&server.name, &server.region);
                let (port, rest) = (links.port(from, to, "", server.port)?, links.port(from, to, "patroni", rest)?);
                proxy.upstreams.push(Upstream { name: server.name.clone(), port, rest });
            }
        }
        Ok(())
    }

    /// Name, region and port of what a service of a region finds the primary by.
    pub(crate) fn door_for(&self, region: &str) -> (String, &str, u16) {
        let near = self.proxies.iter().find(|proxy| proxy.region == region);
        let near = near.map(|proxy| (format!("haproxy-{region}"), proxy.region.as_str(), proxy.port));
        near.unwrap_or_else(|| (self.servers[0].name.clone(), self.servers[0].region.as_str(), self.servers[0].port))
    }

    /// Where a service of a region finds the primary.
    pub(crate) fn port_for(&self, region: &str) -> u16 {
        self.door_for(region).2
    }

    /// Every process with how it is kept, in the order of `status`.
    pub(crate) fn processes(&self, place: &Place, secrets: &Secrets) -> anyhow::Result<Vec<(Process, Kind)>> {
        let mut processes = Vec::new();
        let replication = match self.proxies.is_empty() {
            true => None,
            false => Some(ReplicationSecrets::load_or_make(&place.data_of(""))?),
        };
        for server in &self.servers {
            let directory = place.postgres_data(&server.name);
            let process = process(&server.name, ProcessKind::Postgres, &server.region, server.port, server.rest);
            let kind = match &replication {
                None => Kind::Postgres { directory: directory.clone(), port: server.port, password: secrets.postgres.clone() },
                Some(replication) => {
                    let passwords = Passwords {
                        superuser: secrets.postgres.clone(),
                        replication: replication.replication.clone(),
                        rewind: replication.rewind.clone(),
                        rest: secrets.control.clone(),
                    };
                    Kind::Patroni(Box::new(self.member(server, place, passwords)))
                }
            };
            processes.push((Process { data_dir: Some(directory), ..process }, kind));
        }
        for member in &self.etcd {
            let directory = place.data_of(&member.name);
            let process = process(&member.name, ProcessKind::Etcd, &member.region, member.client, None);
            let kind = Kind::Etcd(Box::new(Etcd {
                name: member.name.clone(),
                cluster: place.name.clone(),
                directory: directory.clone(),
                client: member.client,
                peer: member.peer,
                members: self.etcd.iter().map(|member| (member.name.clone(), member.peer)).collect(),
            }));
            processes.push((Process { data_dir: Some(directory), ..process }, kind));
        }
        for Proxy { region, port, admin, upstreams } in &self.proxies {
            let name = format!("haproxy-{region}");
            let kind = Haproxy { directory: place.data_of(&name), port: *port, admin: *admin, upstreams: upstreams.clone() };
            let process = process(&name, ProcessKind::Haproxy, region, *port, Some(*admin));
            processes.push((process, Kind::Haproxy(Box::new(kind))));
        }
        Ok(processes)
    }

    fn member(&self, server: &Server, place: &Place, passwords: Passwords) -> Patroni {
        Patroni {
            name: server.name.clone(),
            cluster: place.name.clone(),
            directory: place.postgres_data(&server.name),
            port: server.port,
            rest: server.rest.unwrap_or_default(),
            etcd: server.etcd.clone(),
            lease_s: self.lease_s,
            passwords,
        }
    }
}

fn process(name: &str, kind: ProcessKind, region: &str, port: u16, admin: Option<u16>) -> Process {
    Process {
        name: name.to_owned(),
        kind,
        region: region.to_owned(),
        pid: None,
        http: at(port),
        admin: admin.map(at),
        data_dir: None,
    }
}
