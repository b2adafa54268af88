//! What stock commands did, and how it is remembered.

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, Quantity, Sku};

use super::outcome::{Code, Outcome, OutcomeLine};

/// What a stock command did to the levels of its SKU. The order of variants and fields is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StockMove {
    Received {
        at: LocationId,
        units: Quantity,
    },
    /// Of `wanted` units more or less, `made`: what is promised to somebody is not taken off.
    Adjusted {
        at: LocationId,
        wanted: i64,
        made: i64,
    },
    Moved {
        from: LocationId,
        to: LocationId,
        units: Quantity,
    },
    /// As `Adjusted`, found by a count.
    Counted {
        at: LocationId,
        wanted: i64,
        made: i64,
    },
}

impl StockMove {
    pub(crate) fn locations_mut(&mut self) -> impl Iterator<Item = &mut LocationId> {
        let (first, second) = match self {
            Self::Received { at, .. } | Self::Adjusted { at, .. } | Self::Counted { at, .. } => (at, None),
            Self::Moved { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    /// Units wanted and units made, where they differ.
    pub(crate) fn shortage(&self) -> Option<(u64, u64)> {
        match self {
            Self::Adjusted { wanted, made, .. } | Self::Counted { wanted, made, .. } if wanted != made => {
                Some((wanted.unsigned_abs(), made.unsigned_abs()))
            }
            _ => None,
        }
    }
}

/// A stock command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) sku: Sku,
    /// Of the SKU, after the command.
    pub(crate) version: u64,
    pub(crate) what: StockMove,
}

/// The answer to a command that left no reservation behind. Millions are remembered, so it holds no more than the answer is made
/// of. The order of variants is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Refused {
        code: Code,
        lines: Box<[OutcomeLine]>,
    },
    /// Not boxed: most are of this kind, and a box would cost as much again as it points to.
    Made(Made),
}

impl Answer {
    pub(crate) fn refused(code: Code) -> Self {
        Self::Refused { code, lines: Box::default() }
    }

    /// A refusal that names a SKU, with the numbers that did not go together.
    pub(crate) fn refused_for(code: Code, sku: Sku, version: u64, numbers: (u64, u64)) -> Self {
        let line = OutcomeLine { sku, version, allocations: Box::default(), shortage: Some(Box::new(numbers)) };
        Self::Refused { code, lines: Box::new([line]) }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { code, lines } => Outcome::with_lines(*code, lines.to_vec()),
            Self::Made(made) => {
                let (sku, version, shortage) = (made.sku.clone(), made.version, made.what.shortage().map(Box::new));
                Outcome::with_lines(Code::Ok, vec![OutcomeLine { sku, version, allocations: Box::default(), shortage }])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::codec;

    /// Golden bytes: a change here is a change of the disk format.
    #[test]
    fn remembered_answers_keep_their_bytes() {
        let (sku, at): (Sku, LocationId) = (Sku::parse("A").unwrap(), "x".parse().unwrap());
        let made = |what| codec::encode(&Answer::Made(Made { sku: sku.clone(), version: 3, what }));
        let units = Quantity::new(2).unwrap();
        assert_eq!(made(StockMove::Received { at: at.clone(), units }), [1, 1, 1, 65, 3, 0, 1, 120, 2]);
        assert_eq!(made(StockMove::Adjusted { at: at.clone(), wanted: -3, made: -1 }), [1, 1, 1, 65, 3, 1, 1, 120, 5, 1]);
        assert_eq!(made(StockMove::Moved { from: at.clone(), to: at.clone(), units }), [1, 1, 1, 65, 3, 2, 1, 120, 1, 120, 2]);
        assert_eq!(made(StockMove::Counted { at, wanted: 1, made: 1 }), [1, 1, 1, 65, 3, 3, 1, 120, 2, 2]);
        assert_eq!(codec::encode(&Answer::refused(Code::Overflow)), [1, 0, 11, 0]);
    }

    /// A million SKUs at three locations are three million of these.
    #[test]
    fn remembered_answers_stay_small() {
        assert!(size_of::<Answer>() <= 64, "{}", size_of::<Answer>());
    }
}
