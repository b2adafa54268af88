//! Very many connections to one edge: descriptors and ports for them, opened a few at a time.

use std::{io, net::Ipv4Addr};

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uuid::Uuid;

use crate::bench::wire::Wire;

/// Descriptors of this process that are no connection of the crowd: files, the origin's side of the edge's connections, the load generator.
const OTHER_DESCRIPTORS: u64 = 600;

/// Connections from one source address: few beside the 28,000 ports that Linux gives to outgoing connections (`ip_local_port_range` in
/// ip(7)), of which those of closed connections are not free for a minute.
const FROM_ONE_ADDRESS: usize = 2_000;

/// Connections being opened at once: fewer than any listener's backlog.
const OPENING: usize = 256;

/// Lets this process and its children have `wanted` connections, or as many as the machine allows. As root, above the hard limit.
pub(super) fn allow(wanted: usize) -> anyhow::Result<usize> {
    let (limit, need) = (getrlimit(Resource::Nofile), u64::try_from(wanted)? + OTHER_DESCRIPTORS);
    let most = limit.maximum.map_or(need, |most| need.min(most));
    let raised = [need, most].into_iter().find(|to| {
        let maximum = limit.maximum.map(|most| most.max(*to));
        limit.current.is_none_or(|now| now >= *to) || setrlimit(Resource::Nofile, Rlimit { current: Some(*to), maximum }).is_ok()
    });
    let descriptors = raised.context("the limit of open files cannot be raised; see ulimit -n")?;
    ensure!(descriptors > OTHER_DESCRIPTORS, "{descriptors} open files are too few to measure anything; raise ulimit -n");
    Ok(usize::try_from(descriptors - OTHER_DESCRIPTORS)?.min(wanted))
}

/// The nth connection's source: all of 127.0.0.0/8 is this machine. Each crowd has a network of its own.
fn source(network: u8, nth: usize) -> Ipv4Addr {
    let host = u8::try_from(nth / FROM_ONE_ADDRESS).unwrap_or(u8::MAX - 1);
    Ipv4Addr::new(127, network.max(1), host, 1)
}

/// Opens `connections`. When `first` is given, each sends it and hears a `200`, so that it is a kept connection and not only an accepted one.
pub(super) async fn open(address: &str, connections: usize, first: Option<&[u8]>) -> anyhow::Result<Vec<Wire>> {
    let [network, ..] = Uuid::new_v4().into_bytes();
    let one = async |nth: usize| {
        let mut wire = Wire::open_from(source(network, nth), address).await?;
        if let Some(request) = first {
            ask(&mut wire, request).await?;
        }
        io::Result::Ok(wire)
    };
    let opened = stream::iter(0..connections).map(one).buffer_unordered(OPENING).try_collect().await;
    opened.with_context(|| format!("{connections} connections to {address} cannot be opened"))
}

async fn ask(wire: &mut Wire, request: &[u8]) -> io::Result<()> {
    let (status, _) = wire.exchange(request).await?;
    wire.forget();
    if status == 200 { Ok(()) } else { Err(io::Error::other(format!("answered with {status}"))) }
}

/// How many of them still answer `request` with `200`.
pub(super) async fn alive(wires: &mut [Wire], request: &[u8]) -> usize {
    let asked = stream::iter(wires).map(async |wire| ask(wire, request).await.is_ok());
    asked.buffer_unordered(OPENING).filter(|answered| std::future::ready(*answered)).count().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_source_address_has_more_connections_than_ports() {
        assert_eq!((source(7, 0), source(7, 1_999)), (Ipv4Addr::new(127, 7, 0, 1), Ipv4Addr::new(127, 7, 0, 1)));
        assert_eq!((source(7, 2_000), source(0, 99_999)), (Ipv4Addr::new(127, 7, 1, 1), Ipv4Addr::new(127, 1, 49, 1)));
    }

    #[test]
    fn what_is_allowed_is_never_more_than_what_was_wanted() {
        assert_eq!(allow(10).unwrap(), 10);
    }
}
