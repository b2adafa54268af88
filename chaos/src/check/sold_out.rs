//! A sale of which everybody wants one: exactly the units are sold, and whoever was told that it is sold out was told so in truth.

use super::verdict::{Outcome, Verdict, Violation};
use crate::history::{Out, ShopLine, Standing};

pub const SOLD_OUT: &str = "sold_out";

/// `units` were there when it opened, `left` are there in the end. Orders of a shopper who left before the answer count as well, by what is
/// not left.
pub fn sold_out(shop: &[ShopLine], sku: &str, units: u64, left: u64) -> Verdict {
    let (mut told, mut refused, mut promised) = (0_u64, 0_u64, 0_u64);
    for line in shop {
        match line {
            ShopLine::Checkout(checkout) if checkout.lines.iter().any(|line| line.sku == sku) => match checkout.out {
                Out::Ok => told += 1,
                Out::Insufficient => refused += 1,
                _ => {}
            },
            ShopLine::Found(found) if found.inventory == Standing::Sold => {
                promised += found.promised.iter().filter(|line| line.sku == sku).map(|line| line.qty).sum::<u64>();
            }
            _ => {}
        }
    }
    let mut violations = Vec::new();
    let mut wrong = |what: String| violations.push(Violation { what, operations: Vec::new() });
    if promised > units {
        wrong(format!("{promised} units of {sku} are in orders that shoppers were told of; {units} were for sale"));
    }
    if refused > 0 && left > 0 {
        wrong(format!("{refused} shoppers were told that {sku} is sold out, and {left} units are left"));
    }
    let summary = format!(
        "{promised} of {units} units in orders that {told} answers told of, {left} left; {refused} answers said sold out"
    );
    // A sale that nobody emptied does not show what it is for.
    let outcome = if left == 0 && refused > 0 { Outcome::Pass } else { Outcome::Undecided };
    Verdict::new(SOLD_OUT, outcome, summary, violations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Checkout, Found, Line};

    fn shop(accepted: u128, refused: u64) -> Vec<ShopLine> {
        let lines = || vec![Line { sku: "cup".to_owned(), qty: 1 }];
        let checkout = |shopper: u64, out, order| {
            let (key, edge, region) = (format!("k{shopper}"), "e:1".to_owned(), "eu".to_owned());
            ShopLine::Checkout(Checkout {
                shopper,
                key,
                edge,
                region,
                home: String::new(),
                lines: lines(),
                call: 1,
                ret: Some(2),
                out,
                order,
                status: None,
            })
        };
        let sold = (0..accepted).flat_map(|n| {
            let order = uuid::Uuid::from_u128(n);
            let found = Found { order, inventory: Standing::Sold, promised: lines(), recorded: lines(), recorded_at: None };
            [checkout(0, Out::Ok, Some(order)), ShopLine::Found(found)]
        });
        sold.chain((0..refused).map(|n| checkout(n, Out::Insufficient, None))).collect()
    }

    #[test]
    fn a_sale_is_over_when_it_is_sold_out_and_not_before_and_not_after() {
        assert_eq!(sold_out(&shop(5, 3), "cup", 5, 0).outcome, Outcome::Pass);
        assert_eq!(sold_out(&shop(4, 3), "cup", 5, 0).outcome, Outcome::Pass, "one shopper left before the answer");
        assert_eq!(sold_out(&shop(4, 0), "cup", 5, 1).outcome, Outcome::Undecided);
        let oversold = sold_out(&shop(6, 3), "cup", 5, 0);
        assert!(oversold.violations[0].what.contains("6 units of cup"), "{oversold:?}");
        let lied = sold_out(&shop(4, 3), "cup", 5, 1);
        assert!(lied.violations[0].what.contains("1 units are left"), "{lied:?}");
    }
}
