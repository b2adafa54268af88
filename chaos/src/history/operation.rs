//! One operation on one SKU of the inventory.

use serde::{Deserialize, Serialize};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Hold units.
    Reserve,
    /// The hold becomes a promise.
    Confirm,
    /// The hold is given back.
    Release,
    /// Units arrive.
    Receive,
    /// Reserve and confirm in one command.
    Purchase,
    /// A linearizable read: `value` is what was available.
    Read,
    /// What became of an id; see [`Operation::settled`].
    Status,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Out {
    Ok,
    /// Too few units; `value` is what was available, if the answer said so.
    Insufficient,
    /// There is no such SKU (read) or hold.
    NotFound,
    /// The hold had ended: by itself, or because it was given back.
    Expired,
    /// Certainly not executed.
    Fail,
    /// Perhaps executed.
    Unknown,
}

/// A line of the history. A command over several SKUs has a line for each; where it was refused, `insufficient` stands at the SKUs that were
/// short, and `fail` at the others, whose stock it did not touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Who asked; one client asks one thing at a time.
    pub client: u64,
    pub op: Op,
    pub sku: String,
    /// The command's own id; a retry has the same. `confirm`, `release` and `status` name the hold by it. Empty for `read`.
    pub id: String,
    /// Units asked for; 0 where none are.
    pub qty: u64,
    pub call: u64,
    /// `null`: no answer came.
    #[serde(deserialize_with = "Option::deserialize")]
    pub ret: Option<u64>,
    pub out: Out,
    #[serde(deserialize_with = "Option::deserialize")]
    pub value: Option<u64>,
    /// The SKU's version in the answer: after a change, or as it was looked at. Dense: each change counts one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub ver: Option<u64>,
}

/// What a `status` line says of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settled {
    /// Nothing was ever held or sold under it.
    Never,
    Held,
    Sold,
    Released,
    Expired,
}

impl Operation {
    /// Whether the answer tells that the command was decided.
    pub fn is_decided(&self) -> bool {
        !matches!(self.out, Out::Fail | Out::Unknown)
    }

    /// Of a `status` line. `ok` with the units sold in `value` (0: given back, `null`: still held); `expired`; `notfound`. `ver` is the
    /// version that the id's last change made.
    pub fn settled(&self) -> Option<Settled> {
        match (self.op, self.out, self.value) {
            (Op::Status, Out::Ok, None) => Some(Settled::Held),
            (Op::Status, Out::Ok, Some(0)) => Some(Settled::Released),
            (Op::Status, Out::Ok, Some(_)) => Some(Settled::Sold),
            (Op::Status, Out::Expired, _) => Some(Settled::Expired),
            (Op::Status, Out::NotFound, _) => Some(Settled::Never),
            _ => None,
        }
    }

    /// Why the line makes no sense by itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            line if line.ret.is_some_and(|ret| ret < line.call) => Some("`ret` is before `call`"),
            line if line.is_decided() && line.ret.is_none() => {
                Some("an answer needs `ret`; without one `out` is \"unknown\" or \"fail\"")
            }
            line if line.sku.is_empty() => Some("`sku` is empty"),
            line if line.op != Op::Read && line.id.is_empty() => Some("`id` is empty; only a read has none"),
            Self { op: Op::Reserve | Op::Purchase | Op::Receive, qty: 0, .. } => Some("`qty` is 0"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |value: serde_json::Result<String>| value.unwrap_or_default().trim_matches('"').to_owned();
        write!(to, "client {} {}", self.client, name(serde_json::to_string(&self.op)))?;
        if self.qty > 0 {
            write!(to, " {}", self.qty)?;
        }
        write!(to, " {}", self.sku)?;
        if !self.id.is_empty() {
            write!(to, " id {}", self.id)?;
        }
        write!(to, ": {}", name(serde_json::to_string(&self.out)))?;
        if let Some(value) = self.value {
            write!(to, ", value {value}")?;
        }
        if let Some(ver) = self.ver {
            write!(to, ", version {ver}")?;
        }
        let ms = |ns: u64| ns / 1_000_000;
        match self.ret {
            Some(ret) => write!(to, " [{}..{} ms]", ms(self.call), ms(ret)),
            None => write!(to, " [{}.. ms]", ms(self.call)),
        }
    }
}
