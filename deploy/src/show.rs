//! A topology for people and programs.

use anyhow::Context;
use comfy_table::Table;
use deploy_api::{Control, ProcessKind, Topology};
use fault_proxy::{Condition, LinkView, ProxyClient, Way};

use crate::cli::Output;

pub(crate) fn print(topology: &Topology, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(topology)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["process", "region", "address", "admin", "pid"]);
    for process in &topology.processes {
        let pid = process.pid.map_or_else(|| "not running".to_owned(), |pid| pid.to_string());
        let admin = process.admin.clone().unwrap_or_default();
        table.add_row([process.name.clone(), process.region.clone(), process.http.clone(), admin, pid]);
    }
    println!("{table}");
    Ok(())
}

/// The links of a running topology as they are now.
pub(crate) fn print_links(control: &Control, output: Output) -> anyhow::Result<()> {
    let topology = control.status()?;
    let first = topology.links.first();
    let first = first.context("the topology has no links; start it with `cargo deploy up --links`")?;
    let client = ProxyClient::new(&first.control, control.token())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let links = runtime.block_on(client.links())?;
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&links)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["link", "address", "leads to", "there and back", "open", "now", "faults"]);
    for link in &links {
        let far = format!("{} ms", link.base.round_trip().as_secs_f64() * 1_000.0);
        let (listen, target, open) = (link.listen.to_string(), link.target.to_string(), link.open_connections.to_string());
        table.add_row([link.name.clone(), listen, target, far, open, state_of(link), link.faults.join(", ")]);
    }
    println!("{table}");
    Ok(())
}

/// What is wrong with a link, for people.
fn state_of(link: &LinkView) -> String {
    let Condition { forward, backward, reset, refuse } = link.now;
    if link.now == link.base {
        return "as it should".to_owned();
    }
    let ways =
        if forward == backward { vec![("", forward)] } else { vec!["> ", "< "].into_iter().zip([forward, backward]).collect() };
    let mut words: Vec<String> = ways.into_iter().filter_map(|(arrow, way)| Some(format!("{arrow}{}", words_of(way)?))).collect();
    words.extend([(reset, "resets"), (refuse, "refuses")].into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()));
    words.join(", ")
}

fn words_of(way: Way) -> Option<String> {
    let millis = |micros: u64| format!("{} ms", micros as f64 / 1_000.0);
    if way.black_hole {
        return Some("black hole".to_owned());
    }
    let mut words = Vec::new();
    if way.latency_us > 0 || way.jitter_us > 0 {
        words.push(format!("{} + {}", millis(way.latency_us), millis(way.jitter_us)));
    }
    words.extend(way.bytes_per_s.map(|rate| format!("{rate} B/s")));
    (!words.is_empty()).then(|| words.join(", "))
}

/// `host:port` of the first edge.
pub(crate) fn front_door(topology: &Topology) -> String {
    topology.http_of(ProcessKind::Edge).into_iter().next().unwrap_or_default()
}

/// How to look after its inventory.
pub(crate) fn operator(topology: &Topology) -> String {
    let endpoints = topology.http_of(ProcessKind::Inventory).join(",");
    let flags = match &topology.inventory_tls {
        None => "--plaintext".to_owned(),
        Some(of) => format!("--tls-ca {} --tls-cert {} --tls-key {}", of.ca.display(), of.cert.display(), of.key.display()),
    };
    format!("inventoryctl --endpoints {endpoints} {flags} status")
}
