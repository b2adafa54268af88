//! A topology for people and programs.

use comfy_table::Table;
use deploy_api::{ProcessKind, Topology};

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
