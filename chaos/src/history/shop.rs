//! What shoppers did and saw through edges, and what was found afterwards.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Out, Settled};

/// Units of one SKU.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub sku: String,
    pub qty: u64,
}

/// One attempt at a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    pub shopper: u64,
    /// The `Idempotency-Key`; a retry has the same, over whichever edge.
    pub key: String,
    /// `host:port`.
    pub edge: String,
    pub region: String,
    /// Region that the shopper comes from, whose edges are asked first; empty: it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub home: String,
    pub lines: Vec<Line>,
    pub call: u64,
    pub ret: Option<u64>,
    /// `ok`: accepted, with `order`; `insufficient`: refused for want of stock; `fail`: refused before it was tried.
    pub out: Out,
    pub order: Option<Uuid>,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
}

#[cfg(test)]
impl Checkout {
    /// An attempt over an edge of `eu`, with nothing in it.
    pub(crate) fn example(key: &str, (call, ret): (u64, Option<u64>), out: Out) -> Self {
        let (key, edge, region) = (key.to_owned(), "e:1".to_owned(), "eu".to_owned());
        let (home, lines, order, status) = (String::new(), Vec::new(), None, None);
        Self { shopper: 1, key, edge, region, home, lines, call, ret, out, order, status }
    }
}

/// What both stores had of an order after the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    pub order: Uuid,
    pub inventory: Standing,
    /// Units that the inventory promised to it, in order of SKU.
    pub promised: Vec<Line>,
    /// Units that PostgreSQL has in it, in order of SKU; empty: there is no such order.
    pub recorded: Vec<Line>,
    /// When it was recorded, by PostgreSQL's clock; nanoseconds since the run began, 0 when before.
    #[serde(default)]
    pub recorded_at: Option<u64>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Never,
    Held,
    Sold,
    Released,
    Expired,
}

impl From<Standing> for Settled {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Never => Self::Never,
            Standing::Held => Self::Held,
            Standing::Sold => Self::Sold,
            Standing::Released => Self::Released,
            Standing::Expired => Self::Expired,
        }
    }
}

/// What an edge said was available.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    pub edge: String,
    pub region: String,
    pub sku: String,
    pub call: u64,
    pub ret: u64,
    pub value: u64,
    /// The edge's own word on how old that is; nanoseconds since the run began, 0 when before.
    pub as_of: u64,
}

/// What was available of a SKU since a moment of the log's clock, read from the SKU's ledger after the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    pub sku: String,
    pub ver: u64,
    /// Nanoseconds since the run began, 0 when before.
    pub at: u64,
    pub value: u64,
}

/// A line of the shop history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum ShopLine {
    Checkout(Checkout),
    Found(Found),
    Look(Look),
    Level(Level),
}

impl ShopLine {
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Checkout(checkout) if checkout.ret.is_some_and(|ret| ret < checkout.call) => Some("`ret` is before `call`"),
            Self::Checkout(checkout) if checkout.key.is_empty() => Some("`key` is empty"),
            Self::Checkout(checkout) if (checkout.out == Out::Ok) != checkout.order.is_some() => {
                Some("`order` belongs to \"ok\", and to nothing else")
            }
            Self::Look(look) if look.ret < look.call => Some("`ret` is before `call`"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Checkout {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(|line| format!("{} x {}", line.qty, line.sku)).collect();
        write!(
            to,
            "shopper {} checkout {} key {} over {} ({}): ",
            self.shopper,
            lines.join(", "),
            self.key,
            self.edge,
            self.region
        )?;
        match (self.order, self.status) {
            (Some(order), _) => write!(to, "accepted as order {order}")?,
            (None, Some(status)) => write!(to, "{:?}, status {status}", self.out)?,
            (None, None) => write!(to, "{:?}", self.out)?,
        }
        match self.ret {
            Some(ret) => write!(to, " [{}..{} ms]", self.call / 1_000_000, ret / 1_000_000),
            None => write!(to, " [{}.. ms]", self.call / 1_000_000),
        }
    }
}
