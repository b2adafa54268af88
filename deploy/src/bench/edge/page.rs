//! `edge/page`: a product page of the storefront from its cache, in alternation with a plain hit.

use anyhow::Context;
use deploy_api::ProcessKind;

use super::{
    hits::{PATH, Target, alternate, processor_time},
    server::{Server, is_hit},
    wrk::Wrk,
};
use crate::{bench::Bench, supervisor::Supervisor};

/// As many as for `edge/hit-64`.
const CONNECTIONS: u32 = 64;

/// A page costs at most this much more than a plain hit.
const AT_MOST: f64 = 1.5;

pub(super) async fn run(bench: &mut Bench<'_>, wrk: &Wrk, supervisor: &Supervisor, plain: &Server) -> anyhow::Result<()> {
    let topology = supervisor.topology();
    let process = topology.processes.iter().find(|process| process.kind == ProcessKind::Edge).context("no edge")?;
    let (http, edge, pid) = (reqwest::Client::new(), &process.http, process.pid);
    let listed: catalog_api::ProductPage = http.get(format!("http://{edge}/v1/products?limit=1")).send().await?.json().await?;
    let url = format!("http://{edge}/products/{}", listed.items.first().context("the catalog is empty")?.handle);
    // The second answer may be a hit; whether it is, is told.
    http.get(&url).send().await?.error_for_status()?.bytes().await?;
    let second = http.get(&url).send().await?.error_for_status()?;
    let from = if is_hit(second.headers()) { "from the cache" } else { "not said to be from the cache" };
    let page_bytes = second.bytes().await?.len();
    plain.fill(PATH).await?;
    let targets = [Target { system: "ours", url, server: None, pid }, Target::of("plain-hit", plain)];
    let rows = alternate(bench, wrk, "edge/page", CONNECTIONS, &targets)?;
    bench.notes.push(processor_time("edge/page", &rows));
    if let [page, hit] = rows.as_slice() {
        let cost = hit.measured.ops_per_s / page.measured.ops_per_s;
        bench.notes.push(format!("edge/page: {page_bytes} bytes, {from}, cost {cost:.2} x a plain hit (at most {AT_MOST})"));
    }
    bench.measured.extend(rows.into_iter().map(|row| row.measured));
    Ok(())
}
