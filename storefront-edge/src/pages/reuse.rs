//! Whether a page that was made may be shown again. Pure.

use std::time::Duration;

/// A page is not remade more often for its stock: shoppers see stock a tenth of a second late, and a flash sale costs ten makings a second.
pub(super) const SOONEST: Duration = Duration::from_millis(100);

/// How far the time that a page says may lie behind the feed's.
pub(super) const LATEST: Duration = Duration::from_millis(250);

/// What is known of a page that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Since it was made.
    pub(super) age: Duration,
    /// What it was made from is no longer fresh, or was purged.
    pub(super) is_outdated: bool,
    /// The stock of one of its SKUs changed.
    pub(super) is_sold: bool,
    /// It says up to when its stock is known, and more is known now.
    pub(super) is_behind: bool,
    /// It says that its stock is of now and it is not any more, or the other way round.
    pub(super) is_wrong_about_now: bool,
}

/// What to do with it, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Reuse,
    /// From the same answer of the catalog.
    Remake(Why),
    /// The catalog's answer has to be looked for.
    Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Stock,
    Time,
    Currency,
}

impl Why {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Time => "time",
            Self::Currency => "currency",
        }
    }
}

pub(super) fn decide(page: &Standing) -> Verdict {
    if page.is_outdated {
        Verdict::Ask
    } else if page.is_wrong_about_now {
        Verdict::Remake(Why::Currency)
    } else if page.is_sold && page.age >= SOONEST {
        Verdict::Remake(Why::Stock)
    } else if page.is_behind && page.age >= LATEST {
        Verdict::Remake(Why::Time)
    } else {
        Verdict::Reuse
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_again_is_true_or_was_a_moment_ago(age_ms in 0u64..2_000, flags in any::<[bool; 4]>()) {
            let [is_outdated, is_sold, is_behind, is_wrong_about_now] = flags;
            let age = Duration::from_millis(age_ms);
            match decide(&Standing { age, is_outdated, is_sold, is_behind, is_wrong_about_now }) {
                Verdict::Reuse => {
                    prop_assert!(!is_outdated && !is_wrong_about_now);
                    prop_assert!(!is_sold || age < SOONEST);
                    prop_assert!(!is_behind || age < LATEST);
                }
                // Nothing is made in vain.
                Verdict::Remake(Why::Currency) => prop_assert!(is_wrong_about_now && !is_outdated),
                Verdict::Remake(Why::Stock) => prop_assert!(is_sold && age >= SOONEST),
                Verdict::Remake(Why::Time) => prop_assert!(is_behind && age >= LATEST),
                Verdict::Ask => prop_assert!(is_outdated),
            }
        }
    }
}
