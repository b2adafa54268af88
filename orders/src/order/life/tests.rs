//! Any commands in any order: units are kept count of, and what is said to be allowed is.

use proptest::prelude::*;

use super::*;

fn sku(name: &str) -> Sku {
    Sku::parse(name).unwrap()
}

fn placed() -> Life {
    Life::placed([(sku("a"), 3, 500), (sku("b"), 2, 100)])
}

fn command() -> impl Strategy<Value = Command> {
    let lines = prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), 0_u32..4), 0..3);
    (0..6, lines, 0_u32..4).prop_map(|(kind, lines, parcel)| match kind {
        0 => Command::Pay { reference: None },
        1 => Command::Allocate { lines: Vec::new() },
        2 => Command::Ship {
            carrier: "DHL".to_owned(),
            tracking: None,
            lines: lines.into_iter().map(|(name, quantity)| Units { sku: sku(name), quantity }).collect(),
        },
        3 => Command::Deliver { parcel },
        4 => Command::Cancel,
        _ => Command::Return {
            lines: lines
                .into_iter()
                .map(|(name, quantity)| ReturnedUnits { sku: sku(name), quantity, restock: true, location: None })
                .collect(),
        },
    })
}

proptest! {
    #[test]
    fn no_unit_is_shipped_or_returned_twice_and_no_cent_given_back_twice(commands in prop::collection::vec(command(), 0..40)) {
        let (mut life, mut refunded, mut in_parcels) = (placed(), 0, 0);
        for command in commands {
            let allowed = life.allowed();
            let Ok(Some(change)) = life.decide(&command) else {
                // What is not allowed changes nothing; what is, may still name wrong lines.
                continue;
            };
            prop_assert!(allowed.contains(&command.name()), "{} was done, allowed were {allowed:?}", command.name());
            match &change {
                Change::Cancelled { refund } | Change::CancelledInPart { refund, .. } | Change::Returned { refund, .. } => {
                    refunded += refund;
                }
                Change::Shipped { lines, .. } => in_parcels += lines.iter().map(|line| line.quantity).sum::<u32>(),
                _ => {}
            }
            let before = life.version;
            life.apply(&change, OffsetDateTime::UNIX_EPOCH);
            prop_assert_eq!(life.version, before + 1);
            prop_assert!(life.lines.iter().all(|line| line.returned <= line.shipped && line.shipped + line.cancelled <= line.ordered));
            prop_assert!(!life.is_cancelled || in_parcels == 0);
        }
        prop_assert_eq!(life.lines.iter().map(|line| line.shipped).sum::<u32>(), in_parcels);
        prop_assert!(refunded <= 1_700);
        prop_assert_eq!(refunded == 1_700, matches!(life.status(), OrderStatus::Cancelled | OrderStatus::Returned));
    }
}

#[test]
fn doing_it_again_changes_nothing() {
    let mut life = placed();
    for command in [Command::Pay { reference: None }, Command::Allocate { lines: Vec::new() }, Command::Cancel] {
        let change = life.decide(&command).unwrap().unwrap();
        life.apply(&change, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(life.decide(&command), Ok(None));
    }
    assert_eq!((life.status(), life.allowed().is_empty(), life.is_paid), (OrderStatus::Cancelled, true, true));
}

#[test]
fn nobody_changes_an_order_for_ever() {
    let mut life = placed();
    life.version = MAX_TRANSITIONS;
    assert_eq!(life.decide(&Command::Cancel), Err(Refused::TooOften));
}

#[test]
fn what_was_not_shipped_may_be_called_off_once_and_is_missed_by_nobody() {
    let mut life = placed();
    let ship = |name: &str, quantity| Command::Ship {
        carrier: "DHL".to_owned(),
        tracking: None,
        lines: vec![Units { sku: sku(name), quantity }],
    };
    for command in [Command::Pay { reference: None }, Command::Allocate { lines: Vec::new() }, ship("a", 2)] {
        life.apply(&life.decide(&command).unwrap().unwrap(), OffsetDateTime::UNIX_EPOCH);
    }
    let change = life.decide(&Command::Cancel).unwrap().unwrap();
    let rest = vec![Units { sku: sku("a"), quantity: 1 }, Units { sku: sku("b"), quantity: 2 }];
    assert_eq!(change, Change::CancelledInPart { lines: rest, refund: 700 });
    life.apply(&change, OffsetDateTime::UNIX_EPOCH);
    assert_eq!((life.status(), life.allowed()), (OrderStatus::Shipped, vec!["deliver", "return"]));
    assert_eq!(life.decide(&Command::Cancel), Ok(None));
    assert!(matches!(life.decide(&ship("b", 1)), Err(Refused::NotNow { .. })));
    let back = Command::Return { lines: vec![ReturnedUnits { sku: sku("a"), quantity: 2, restock: true, location: None }] };
    life.apply(&life.decide(&back).unwrap().unwrap(), OffsetDateTime::UNIX_EPOCH);
    assert_eq!(life.status(), OrderStatus::Returned);
}
