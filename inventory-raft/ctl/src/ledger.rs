//! What moved the stock of a SKU, and whether it adds up.

use std::collections::BTreeMap;

use inventory_api::{Balance, Movement};
use serde::Serialize;
use storefront_types::{LocationId, MAX_PAGE_LIMIT, Sku};

use crate::{
    cli::{FAILED, NOT_WELL, Output},
    output::{name, print},
    remote::{Cluster, context},
};

/// All pages of a ledger.
#[derive(Debug, Serialize)]
struct Ledger {
    sku: Sku,
    opening: Balance,
    movements: Vec<Movement>,
    closing: Balance,
}

pub(crate) async fn ledger(cluster: &Cluster, output: Output, sku: &str, last: u64) -> anyhow::Result<u8> {
    let sku = Sku::parse(sku)?;
    let Some(found) = read(cluster, sku.clone(), last).await? else {
        eprintln!("no units of {sku} ever came in");
        return Ok(FAILED);
    };
    let (rows, levels) = rows(&found);
    print(output, &found, ["version", "time", "what", "by", "location", "on hand", "reserved", "= on hand", "= reserved"], rows)?;
    if levels == of(&found.closing) {
        return Ok(0);
    }
    eprintln!(
        "the movements of {sku} do not lead to its stock: compare the nodes with `inventoryctl hash`, and keep this output"
    );
    Ok(NOT_WELL)
}

async fn read(cluster: &Cluster, sku: Sku, last: u64) -> anyhow::Result<Option<Ledger>> {
    let (client, context) = (cluster.client(), context());
    let limit = u32::try_from(last).unwrap_or(MAX_PAGE_LIMIT).clamp(1, MAX_PAGE_LIMIT);
    let Some(first) = client.ledger(&context, &sku, last, limit, None).await? else { return Ok(None) };
    let (Some(opening), Some(closing)) = (first.opening, first.closing) else {
        anyhow::bail!("the first page of the ledger has no balances; is the node of another release?")
    };
    let (mut movements, mut next) = (first.items, first.next_cursor);
    while let Some(cursor) = next {
        let Some(page) = client.ledger(&context, &sku, last, limit, Some(&cursor)).await? else { return Ok(None) };
        movements.extend(page.items);
        next = page.next_cursor;
    }
    Ok(Some(Ledger { sku, opening, movements, closing }))
}

/// On hand and reserved at each location that has any. Wide enough for whatever a faulty node may say.
type Levels = BTreeMap<LocationId, (i128, i128)>;

fn of(balance: &Balance) -> Levels {
    let levels = balance.locations.iter().map(|at| (at.location.clone(), (i128::from(at.on_hand), i128::from(at.reserved))));
    levels.filter(|(_, level)| *level != (0, 0)).collect()
}

/// A row for each location that a movement touched, and the levels that all of them lead to.
fn rows(ledger: &Ledger) -> (Vec<[String; 9]>, Levels) {
    let mut levels = of(&ledger.opening);
    let balance = |what: &str, of: &Balance| {
        let (version, what) = (of.version.to_string(), what.to_owned());
        let row = |at: &inventory_api::StockAt| {
            let (location, on_hand, reserved) = (at.location.to_string(), at.on_hand.to_string(), at.reserved.to_string());
            let empty = String::new;
            [version.clone(), empty(), what.clone(), empty(), location, empty(), empty(), on_hand, reserved]
        };
        of.locations.iter().map(row).collect::<Vec<_>>()
    };
    let mut rows = balance("opening", &ledger.opening);
    for movement in &ledger.movements {
        let what = match movement.short {
            0 => name(&movement.kind),
            short => format!("{}, {short} short", name(&movement.kind)),
        };
        for change in &movement.changes {
            let level = levels.entry(change.location.clone()).or_default();
            *level = (level.0 + i128::from(change.on_hand), level.1 + i128::from(change.reserved));
            rows.push([
                movement.version.to_string(),
                movement.at.to_string(),
                what.clone(),
                movement.id.to_string(),
                change.location.to_string(),
                format!("{:+}", change.on_hand),
                format!("{:+}", change.reserved),
                level.0.to_string(),
                level.1.to_string(),
            ]);
        }
    }
    rows.extend(balance("closing", &ledger.closing));
    levels.retain(|_, level| *level != (0, 0));
    (rows, levels)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ledger_that_does_not_add_up_is_seen() {
        let balance = |version: u64, on_hand: u64, reserved: u64| -> Balance {
            let at = json!({"location": "eu-1", "on_hand": on_hand, "reserved": reserved, "available": on_hand - reserved});
            serde_json::from_value(json!({"version": version, "locations": [at]})).unwrap()
        };
        let movement = |kind: &str, on_hand: i64, reserved: i64| -> Movement {
            let (at, id) = ("2026-11-21T08:00:00Z", "01936e2b-0000-7000-8000-000000000001");
            let change = json!({"location": "eu-1", "on_hand": on_hand, "reserved": reserved});
            serde_json::from_value(json!({"version": 5, "at": at, "kind": kind, "id": id, "changes": [change]})).unwrap()
        };
        let ledger =
            |movements, closing| Ledger { sku: Sku::parse("cup").unwrap(), opening: balance(4, 9, 2), movements, closing };
        let sold = || vec![movement("confirmed", -2, -2)];
        let adds_up = |ledger: &Ledger| rows(ledger).1 == of(&ledger.closing);
        assert!(adds_up(&ledger(sold(), balance(5, 7, 0))));
        assert!(!adds_up(&ledger(sold(), balance(5, 7, 1))));
        assert!(!adds_up(&ledger(Vec::new(), balance(5, 7, 0))));
        let (rows, _) = rows(&ledger(sold(), balance(5, 7, 0)));
        assert_eq!(rows[1][4..], ["eu-1", "-2", "-2", "7", "0"].map(str::to_owned));
        assert_eq!((rows.len(), rows[0][2].as_str(), rows[2][2].as_str()), (3, "opening", "closing"));
    }
}
