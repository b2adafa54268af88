//! The life of an order as a function: what was done with it makes where it stands, and where it stands says what may be done. Pure: no clock,
//! no I/O; times come in.
//!
//! ```text
//! placed ─► paid ─► allocated ─► partly_shipped ─► shipped ─► delivered
//!    └────────┴─────────┴─► cancelled    └─────────────┴───────────┴─► partly_returned ─► returned
//! ```
//! Calling off an order of which something was shipped calls off what was not: what is left is then all that there is to ship, so it is shipped,
//! delivered and returned without it.
//!
//! Being paid is a fact beside the road: an order may be allocated and shipped before its money came.

use orders_api::OrderStatus;
use serde::{Deserialize, Serialize};
use storefront_types::Sku;
use time::OffsetDateTime;

use crate::outbox::{ReturnedUnits, Units, UnitsAt};

/// Transitions of one order. 50 lines in parcels of their own, delivered and returned one by one, are 150; more is a runaway program.
pub(crate) const MAX_TRANSITIONS: i32 = 500;

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Command {
    Pay {
        reference: Option<String>,
    },
    Allocate {
        lines: Vec<UnitsAt>,
    },
    /// Without lines: everything that is left.
    Ship {
        carrier: String,
        tracking: Option<String>,
        lines: Vec<Units>,
    },
    Deliver {
        parcel: u32,
    },
    Cancel,
    Return {
        lines: Vec<ReturnedUnits>,
    },
}

impl Command {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Pay { .. } => "pay",
            Self::Allocate { .. } => "allocate",
            Self::Ship { .. } => "ship",
            Self::Deliver { .. } => "deliver",
            Self::Cancel => "cancel",
            Self::Return { .. } => "return",
        }
    }
}

/// What was done. Kept for ever, so fields are only added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Change {
    Paid {
        reference: Option<String>,
    },
    Allocated {
        lines: Vec<UnitsAt>,
    },
    Shipped {
        parcel: u32,
        carrier: String,
        tracking: Option<String>,
        lines: Vec<Units>,
    },
    Delivered {
        parcel: u32,
    },
    Cancelled {
        refund: i64,
    },
    /// What was not shipped, of an order of which something was.
    CancelledInPart {
        lines: Vec<Units>,
        refund: i64,
    },
    Returned {
        lines: Vec<ReturnedUnits>,
        refund: i64,
    },
}

/// Why something may not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not from here; these may be done.
    NotNow {
        status: OrderStatus,
        wanted: &'static str,
        allowed: Vec<&'static str>,
    },
    UnknownLine {
        sku: Sku,
    },
    UnknownParcel {
        parcel: u32,
    },
    /// More than is left of the line.
    TooMany {
        sku: Sku,
        requested: u32,
        possible: u32,
    },
    TwiceNamed {
        sku: Sku,
    },
    Empty,
    TooOften,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifeLine {
    pub(crate) sku: Sku,
    pub(crate) ordered: u32,
    /// Minor units of the order's currency.
    pub(crate) unit_amount: i64,
    /// Called off after something else was shipped.
    pub(crate) cancelled: u32,
    pub(crate) shipped: u32,
    pub(crate) returned: u32,
}

impl LifeLine {
    /// What is to be shipped in the end.
    const fn wanted(&self) -> u32 {
        self.ordered - self.cancelled
    }

    /// What is still to be shipped.
    pub(crate) const fn left(&self) -> u32 {
        self.wanted() - self.shipped
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) number: u32,
    pub(crate) carrier: String,
    pub(crate) tracking: Option<String>,
    pub(crate) lines: Vec<Units>,
    pub(crate) shipped_at: OffsetDateTime,
    pub(crate) delivered_at: Option<OffsetDateTime>,
}

/// Everything that was done with an order, summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) version: i32,
    pub(crate) lines: Vec<LifeLine>,
    pub(crate) parcels: Vec<Parcel>,
    pub(crate) allocated: Option<Vec<UnitsAt>>,
    pub(crate) is_paid: bool,
    pub(crate) is_cancelled: bool,
}

impl Life {
    /// An order that was just placed: SKU, quantity and unit amount of each line.
    pub(crate) fn placed(items: impl IntoIterator<Item = (Sku, u32, i64)>) -> Self {
        let line = |(sku, ordered, unit_amount)| LifeLine { sku, ordered, unit_amount, cancelled: 0, shipped: 0, returned: 0 };
        Self {
            version: 1,
            lines: items.into_iter().map(line).collect(),
            parcels: Vec::new(),
            allocated: None,
            is_paid: false,
            is_cancelled: false,
        }
    }

    /// Units to be shipped in the end, shipped, and returned.
    fn sums(&self) -> (u64, u64, u64) {
        self.lines.iter().fold((0, 0, 0), |(wanted, shipped, returned), line| {
            (wanted + u64::from(line.wanted()), shipped + u64::from(line.shipped), returned + u64::from(line.returned))
        })
    }

    pub(crate) fn status(&self) -> OrderStatus {
        let (wanted, shipped, returned) = self.sums();
        let is_delivered = self.parcels.iter().all(|parcel| parcel.delivered_at.is_some());
        match () {
            () if self.is_cancelled => OrderStatus::Cancelled,
            () if returned > 0 && returned == wanted => OrderStatus::Returned,
            () if returned > 0 && shipped == wanted => OrderStatus::PartlyReturned,
            () if shipped > 0 && shipped < wanted => OrderStatus::PartlyShipped,
            () if shipped > 0 && is_delivered => OrderStatus::Delivered,
            () if shipped > 0 => OrderStatus::Shipped,
            () if self.allocated.is_some() => OrderStatus::Allocated,
            () if self.is_paid => OrderStatus::Paid,
            () => OrderStatus::Placed,
        }
    }

    /// What may be done now.
    pub(crate) fn allowed(&self) -> Vec<&'static str> {
        let (wanted, shipped, returned) = self.sums();
        let is_open = !self.is_cancelled;
        let rows = [
            ("pay", is_open && !self.is_paid),
            ("allocate", is_open && self.allocated.is_none()),
            ("ship", is_open && self.allocated.is_some() && shipped < wanted),
            ("deliver", self.parcels.iter().any(|parcel| parcel.delivered_at.is_none())),
            ("cancel", is_open && shipped < wanted),
            ("return", returned < shipped),
        ];
        rows.into_iter().filter_map(|(name, is_allowed)| is_allowed.then_some(name)).collect()
    }

    /// What a command changes; `None`: it is so already.
    pub(crate) fn decide(&self, command: &Command) -> Result<Option<Change>, Refused> {
        let change = match command {
            Command::Pay { .. } if self.is_paid => return Ok(None),
            Command::Allocate { .. } if self.allocated.is_some() => return Ok(None),
            Command::Cancel if self.is_cancelled || self.rest_is_cancelled() => return Ok(None),
            Command::Deliver { parcel } => match self.parcels.iter().find(|known| known.number == *parcel) {
                Some(known) if known.delivered_at.is_some() => return Ok(None),
                Some(_) => Change::Delivered { parcel: *parcel },
                None => return Err(Refused::UnknownParcel { parcel: *parcel }),
            },
            Command::Pay { reference } => {
                self.check("pay")?;
                Change::Paid { reference: reference.clone() }
            }
            Command::Allocate { lines } => {
                self.check("allocate")?;
                Change::Allocated { lines: lines.clone() }
            }
            Command::Cancel => {
                self.check("cancel")?;
                let lines = self.to_ship(&[])?;
                let refund = self.worth(lines.iter().map(|line| (&line.sku, line.quantity)));
                let is_whole = self.lines.iter().all(|line| line.shipped == 0);
                if is_whole { Change::Cancelled { refund } } else { Change::CancelledInPart { lines, refund } }
            }
            Command::Ship { carrier, tracking, lines } => {
                self.check("ship")?;
                let (carrier, tracking, lines) = (carrier.clone(), tracking.clone(), self.to_ship(lines)?);
                Change::Shipped { parcel: self.next_parcel(), carrier, tracking, lines }
            }
            Command::Return { lines } => {
                self.check("return")?;
                self.check_units(lines.iter().map(|line| (&line.sku, line.quantity)), |line| line.shipped - line.returned)?;
                let refund = self.worth(lines.iter().map(|line| (&line.sku, line.quantity)));
                Change::Returned { lines: lines.clone(), refund }
            }
        };
        if self.version >= MAX_TRANSITIONS { Err(Refused::TooOften) } else { Ok(Some(change)) }
    }

    fn check(&self, wanted: &'static str) -> Result<(), Refused> {
        let allowed = self.allowed();
        match allowed.contains(&wanted) {
            true => Ok(()),
            false => Err(Refused::NotNow { status: self.status(), wanted, allowed }),
        }
    }

    fn rest_is_cancelled(&self) -> bool {
        self.lines.iter().any(|line| line.cancelled > 0) && self.lines.iter().all(|line| line.left() == 0)
    }

    fn next_parcel(&self) -> u32 {
        self.parcels.last().map_or(1, |last| last.number + 1)
    }

    fn line(&self, sku: &Sku) -> Option<&LifeLine> {
        self.lines.iter().find(|line| line.sku == *sku)
    }

    fn to_ship(&self, asked: &[Units]) -> Result<Vec<Units>, Refused> {
        if asked.is_empty() {
            let left = self.lines.iter().filter(|line| line.left() > 0);
            return Ok(left.map(|line| Units { sku: line.sku.clone(), quantity: line.left() }).collect());
        }
        self.check_units(asked.iter().map(|line| (&line.sku, line.quantity)), LifeLine::left)?;
        Ok(asked.to_vec())
    }

    /// Each line is the order's, is named once, and asks for no more than `left` of it.
    fn check_units<'a>(
        &self,
        asked: impl Iterator<Item = (&'a Sku, u32)>,
        left: impl Fn(&LifeLine) -> u32,
    ) -> Result<(), Refused> {
        let mut seen: Vec<&Sku> = Vec::new();
        for (sku, quantity) in asked {
            let line = self.line(sku).ok_or_else(|| Refused::UnknownLine { sku: sku.clone() })?;
            if seen.contains(&sku) {
                return Err(Refused::TwiceNamed { sku: sku.clone() });
            }
            seen.push(sku);
            let possible = left(line);
            if quantity == 0 || quantity > possible {
                return Err(Refused::TooMany { sku: sku.clone(), requested: quantity, possible });
            }
        }
        if seen.is_empty() { Err(Refused::Empty) } else { Ok(()) }
    }

    /// Minor units of what these cost. The order's total was checked when it was made, and this is a part of it.
    fn worth<'a>(&self, units: impl Iterator<Item = (&'a Sku, u32)>) -> i64 {
        units.fold(0, |sum: i64, (sku, quantity)| {
            let part = self.line(sku).map_or(0, |line| line.unit_amount.saturating_mul(i64::from(quantity)));
            sum.saturating_add(part)
        })
    }

    /// Takes in what was done. Changes come in the order in which they were decided.
    pub(crate) fn apply(&mut self, change: &Change, at: OffsetDateTime) {
        self.version += 1;
        match change {
            Change::Paid { .. } => self.is_paid = true,
            Change::Allocated { lines } => self.allocated = Some(lines.clone()),
            Change::Cancelled { .. } => self.is_cancelled = true,
            Change::CancelledInPart { lines, .. } => {
                for Units { sku, quantity } in lines {
                    self.lines.iter_mut().filter(|line| line.sku == *sku).for_each(|line| line.cancelled += quantity);
                }
            }
            Change::Shipped { parcel, carrier, tracking, lines } => {
                for Units { sku, quantity } in lines {
                    self.lines.iter_mut().filter(|line| line.sku == *sku).for_each(|line| line.shipped += quantity);
                }
                self.parcels.push(Parcel {
                    number: *parcel,
                    carrier: carrier.clone(),
                    tracking: tracking.clone(),
                    lines: lines.clone(),
                    shipped_at: at,
                    delivered_at: None,
                });
            }
            Change::Delivered { parcel } => {
                self.parcels.iter_mut().filter(|known| known.number == *parcel).for_each(|known| known.delivered_at = Some(at));
            }
            Change::Returned { lines, .. } => {
                for ReturnedUnits { sku, quantity, .. } in lines {
                    self.lines.iter_mut().filter(|line| line.sku == *sku).for_each(|line| line.returned += quantity);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
