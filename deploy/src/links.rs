//! Links: which connections of a topology are led through the fault proxy, and how long each is.
//!
//! A link is from one process to one port of another. Whoever has addresses of its own (PostgreSQL, Redis, catalog, orders) is given the
//! link's in their place; the inventory's nodes are known by one address everywhere, so their callers are told the way around (`--via`).

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr};

use anyhow::Context;
use deploy_api::{Link, ProcessKind};
use fault_proxy::{Condition, LinkSpec, Way};

use crate::{
    commands::Service,
    plan::{Place, Ports},
    topology::Spec,
};

/// The proxy's name, and where it stands: in no region, so that none takes it along.
pub(crate) const NAME: &str = "links";
pub(crate) const NOWHERE: &str = "everywhere";

/// A process at one end of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) region: &'a str,
}

impl<'a> End<'a> {
    pub(crate) fn new(name: &'a str, region: &'a str) -> Self {
        Self { name, region }
    }
}

/// The links of a topology, as they are asked for while its processes are planned.
pub(crate) struct Links<'a> {
    spec: &'a Spec,
    ports: RefCell<Ports>,
    links: RefCell<BTreeMap<String, Link>>,
    /// Of the proxy; without, there are no links.
    control: Option<u16>,
}

impl<'a> Links<'a> {
    pub(crate) fn new(spec: &'a Spec, mut ports: Ports) -> anyhow::Result<Self> {
        let control = if spec.has_links() { Some(ports.take(NAME)?) } else { None };
        Ok(Self { spec, ports: RefCell::new(ports), links: RefCell::default(), control })
    }

    /// The port by which `from` reaches `to`, which listens on `port`. `purpose` tells several ports of one process apart.
    pub(crate) fn port(&self, from: End<'_>, to: End<'_>, purpose: &str, port: u16) -> anyhow::Result<u16> {
        let Some(control) = self.control else { return Ok(port) };
        let separator = if purpose.is_empty() { "" } else { ":" };
        let name = format!("{}>{}{separator}{purpose}", from.name, to.name);
        let address = self.ports.borrow_mut().take(&format!("link {name}"))?;
        let at = |port: u16| format!("127.0.0.1:{port}");
        let link = Link {
            name: name.clone(),
            from: from.name.to_owned(),
            to: to.name.to_owned(),
            from_region: from.region.to_owned(),
            to_region: to.region.to_owned(),
            address: at(address),
            target: at(port),
            control: at(control),
            round_trip_ms: self.spec.round_trip_ms(from.region, to.region),
        };
        // Asked for twice, it is one link.
        match self.links.borrow_mut().entry(name) {
            std::collections::btree_map::Entry::Occupied(known) => {
                known.get().address.rsplit(':').next().and_then(|port| port.parse().ok()).context("a link without a port")
            }
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(link);
                Ok(address)
            }
        }
    }

    /// Every link, and the process that they are in.
    pub(crate) fn finish(self, place: &Place, token: &str) -> anyhow::Result<(Vec<Link>, Option<Service>)> {
        self.ports.into_inner().save()?;
        let links: Vec<Link> = self.links.into_inner().into_values().collect();
        let Some(control) = self.control else { return Ok((links, None)) };
        let specs = links.iter().map(spec_of).collect::<anyhow::Result<Vec<LinkSpec>>>()?;
        let data = place.data_of(NAME);
        std::fs::create_dir_all(&data)?;
        let file = data.join("links.json");
        std::fs::write(&file, serde_json::to_vec_pretty(&specs)?).with_context(|| file.display().to_string())?;
        let control = format!("127.0.0.1:{control}");
        let service = Service {
            name: NAME.to_owned(),
            kind: ProcessKind::Links,
            region: NOWHERE.to_owned(),
            program: "fault-proxy",
            arguments: ["--links", &file.to_string_lossy(), "--control", &control].map(str::to_owned).to_vec(),
            // Who may stop the topology may break it.
            environment: vec![("FAULT_PROXY_TOKEN", token.to_owned())],
            http: control.clone(),
            admin: control,
            data_dir: Some(data),
        };
        Ok((links, Some(service)))
    }
}

fn spec_of(link: &Link) -> anyhow::Result<LinkSpec> {
    let address = |text: &str| text.parse::<SocketAddr>().with_context(|| format!("{text:?} is no address"));
    let half = Way { latency_us: link.round_trip_ms * 1_000 / 2, ..Way::default() };
    Ok(LinkSpec {
        name: link.name.clone(),
        from: link.from.clone(),
        to: link.to.clone(),
        listen: address(&link.address)?,
        target: address(&link.target)?,
        base: Condition::both_ways(half),
    })
}
