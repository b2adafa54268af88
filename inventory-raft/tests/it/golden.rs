//! What lies in logs and snapshots, byte for byte: a release must read what an older one wrote.
//!
//! `golden.txt` is what is written today. When it changes on purpose, raise `FORMAT_VERSION`, run this again with `UPDATE_GOLDEN=1`, and
//! commit it.

use std::{convert::Infallible, fmt::Write, fs};

use inventory_raft::stock::{Command, Entry, Inventory, Line, LogTime};
use storefront_types::{CommandId, Quantity, ReservationId};
use uuid::Uuid;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden.txt");

fn id(n: u8) -> Uuid {
    Uuid::new_v8([n; 16])
}

/// Every kind of command, such that every kind of record comes of them.
fn commands() -> Vec<(&'static str, Command)> {
    let (sku, eu, us) = ("cup".parse().unwrap(), "eu-1".parse().unwrap(), "us-1".parse().unwrap());
    let quantity = |units| Quantity::new(units).unwrap();
    let line = |units| Line { sku: "cup".parse().unwrap(), quantity: quantity(units), locations: vec![], may_split: true };
    let of = ReservationId::new;
    let receive = |n, units| Command::Receive {
        id: CommandId::new(id(n)),
        sku: "cup".parse().unwrap(),
        location: "eu-1".parse().unwrap(),
        quantity: quantity(units),
    };
    vec![
        ("receive", receive(1, 300)),
        ("adjust", Command::Adjust { id: CommandId::new(id(2)), sku, location: eu, delta: -7 }),
        (
            "move",
            Command::Move {
                id: CommandId::new(id(3)),
                sku: "cup".parse().unwrap(),
                from: "eu-1".parse().unwrap(),
                to: us,
                quantity: quantity(5),
            },
        ),
        ("reserve", Command::Reserve { id: of(id(4)), lines: vec![line(2)], ttl_ms: 60_000, memo: Some("memo".to_owned()) }),
        ("reserve-too-many", Command::Reserve { id: of(id(5)), lines: vec![line(9_999)], ttl_ms: 60_000, memo: None }),
        ("purchase", Command::Purchase { id: of(id(6)), lines: vec![line(290)], memo: None }),
        ("extend", Command::Extend { id: of(id(4)), ttl_ms: 90_000 }),
        ("confirm", Command::Confirm { id: of(id(4)) }),
        ("release", Command::Release { id: of(id(7)) }),
        ("acknowledge", Command::Acknowledge { ids: vec![of(id(6))] }),
        ("expire", Command::Expire { limit: 128 }),
        ("mark", Command::Mark),
        (
            "count",
            Command::Count {
                id: CommandId::new(id(8)),
                sku: "pot".parse().unwrap(),
                location: "eu-1".parse().unwrap(),
                expected: Some(0),
                on_hand: 12,
            },
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn logs_and_snapshots_are_written_as_ever() {
    let (mut written, mut state) = (String::new(), Inventory::default());
    for (at, (name, command)) in (1_750_000_000_000..).zip(commands()) {
        let entry = Entry::new(LogTime(at), &[command]);
        writeln!(written, "command {name} {}", hex(&postcard::to_stdvec(&entry).unwrap())).unwrap();
        state.apply_entry(entry.time, &entry.decode().unwrap());
    }
    let each: Result<(), Infallible> = state.freeze().each_record(|key, value| {
        writeln!(written, "record {} {}", hex(key), hex(value)).unwrap();
        Ok(())
    });
    let Ok(()) = each;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(GOLDEN, &written).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).unwrap();
    for (was, is) in golden.lines().zip(written.lines()) {
        assert_eq!(was, is, "an older release writes the first");
    }
    assert_eq!(golden.lines().count(), written.lines().count());
}
