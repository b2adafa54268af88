//! What is in stock, what is reserved, and what changes.

use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use inventory_api::{Consistency, Reservation, ReservationState, Stock, StockChange};
use storefront_types::Sku;

use crate::{
    cli::{FAILED, Output},
    output::{name, print},
    remote::{Cluster, context},
};

pub(crate) async fn stock(cluster: &Cluster, output: Output, sku: Option<String>, limit: u32) -> anyhow::Result<u8> {
    let client = cluster.client();
    let found = match sku {
        Some(sku) => {
            let sku = Sku::parse(&sku)?;
            let found = client.stock(&context(), &sku, Consistency::Linearizable).await?;
            let Some(found) = found else {
                eprintln!("no units of {sku} ever came in");
                return Ok(FAILED);
            };
            vec![found]
        }
        None => client.stock_page(&context(), limit, None).await?.items,
    };
    let rows = found.iter().flat_map(|stock: &Stock| {
        stock.locations.iter().map(|at| {
            [
                stock.sku.to_string(),
                at.location.to_string(),
                at.on_hand.to_string(),
                at.reserved.to_string(),
                at.available.to_string(),
                stock.version.to_string(),
            ]
        })
    });
    print(output, &found, ["sku", "location", "on hand", "reserved", "available", "version"], rows)?;
    Ok(0)
}

pub(crate) async fn reservations(
    cluster: &Cluster,
    output: Output,
    id: Option<String>,
    state: &str,
    limit: u32,
) -> anyhow::Result<u8> {
    let client = cluster.client();
    let found = match id {
        Some(id) => {
            let id = id.parse().context("a reservation's id is a UUID")?;
            let Some(found) = client.reservation(&context(), id).await? else {
                eprintln!("there is no reservation {id}, or it was settled over 48 hours ago");
                return Ok(FAILED);
            };
            vec![found]
        }
        None => {
            let state: ReservationState = serde_json::from_value(state.into())
                .context("a state is reserved, confirmed, acknowledged, released or expired")?;
            client.reservations(&context(), state, limit, None).await?.items
        }
    };
    let rows = found.iter().map(|of: &Reservation| {
        let lines = of.lines.iter().map(|line| format!("{} x {}", line.quantity, line.sku)).collect::<Vec<_>>();
        let last = of.changes.last().map(|change| change.at.to_string()).unwrap_or_default();
        [of.id.to_string(), name(&of.state), lines.join(", "), last]
    });
    print(output, &found, ["id", "state", "lines", "changed"], rows)?;
    Ok(0)
}

/// Prints a line for each change: JSON as it comes, or a readable one.
/// Attempts at a watch one after the other that gave nothing, before it is given up: several for each node.
const MAX_BROKEN: u32 = 20;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn watch(cluster: &Cluster, output: Output, after: Option<String>, count: Option<usize>) -> anyhow::Result<u8> {
    let client = cluster.client();
    let (mut token, mut seen, mut broken) = (after, 0, 0);
    loop {
        // A node that does not answer, or has forgotten what another one remembers, leaves the others to be asked.
        let mut changes = match client.changes(&context(), token.as_deref()).await {
            Ok(changes) => Box::pin(changes),
            Err(error) if broken >= MAX_BROKEN => return Err(error.into()),
            Err(_) => {
                broken += 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while let Some(Ok(change)) = changes.next().await {
            match &change {
                StockChange::Compacted { oldest } if broken >= MAX_BROKEN => {
                    anyhow::bail!("what followed that token is forgotten; read the stock anew and watch after {oldest}")
                }
                StockChange::Compacted { .. } => break,
                StockChange::Heartbeat { token: now, .. } => {
                    (token, broken) = (Some(now.clone()), 0);
                    continue;
                }
                StockChange::Stock { token: now, sku, version, on_hand, reserved, available, .. } => {
                    (token, broken) = (Some(now.clone()), 0);
                    match output {
                        Output::Json => println!("{}", serde_json::to_string(&change)?),
                        Output::Table => {
                            println!("{sku}  version {version}  on hand {on_hand}  reserved {reserved}  available {available}");
                        }
                    }
                }
            }
            seen += 1;
            if count.is_some_and(|count| seen >= count) {
                return Ok(0);
            }
        }
        // Go on at another node where this one ended.
        broken += 1;
        client.ask_another();
        tokio::time::sleep(PAUSE).await;
    }
}
