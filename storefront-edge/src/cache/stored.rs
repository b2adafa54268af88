//! One stored answer.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_cache_policy::{Lifetime, Part, Selecting};

use super::{Purged, Purges, Tag};

/// Bytes that an answer takes beside its body and header values.
const OVERHEAD_BYTES: usize = 512;

/// An answer, and what decides about its use.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) status: StatusCode,
    /// Without `Age`, which `lifetime` knows, and with the length of the body.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) lifetime: Lifetime,
    pub(crate) selecting: Selecting,
    /// Of a `206`: which bytes `body` are.
    pub(crate) part: Option<Part>,
    /// `Surrogate-Key` and the key itself.
    pub(crate) tags: Box<[Tag]>,
    /// Purges that had come when the origin was asked.
    pub(crate) ticket: u64,
    /// The same body in other codings, made once; `None` for answers that are not worth it.
    pub(crate) coded: Option<Coded>,
    /// Newest purge that is known to have left this answer alone.
    pub(crate) spared: AtomicU64,
}

/// A body in the codings that browsers take.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) zstd: Bytes,
    pub(crate) br: Bytes,
    pub(crate) gzip: Bytes,
}

impl Stored {
    /// The same answer, to be changed and put in its place.
    pub(crate) fn copied(&self) -> Self {
        Self {
            status: self.status,
            headers: self.headers.clone(),
            body: self.body.clone(),
            lifetime: self.lifetime,
            selecting: self.selecting.clone(),
            part: self.part,
            tags: self.tags.clone(),
            ticket: self.ticket,
            coded: self.coded.clone(),
            spared: AtomicU64::new(self.spared.load(Ordering::Relaxed)),
        }
    }

    pub(crate) fn weight(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        let coded = self.coded.as_ref().map_or(0, |coded| coded.zstd.len() + coded.br.len() + coded.gzip.len());
        (self.body.len() + coded + headers + OVERHEAD_BYTES) as u64
    }

    /// Asked once after each purge; between purges it costs two loads.
    pub(crate) fn purged(&self, purges: &Purges) -> Purged {
        let now = purges.ticket();
        if self.spared.load(Ordering::Relaxed) == now {
            return Purged::No;
        }
        let purged = purges.since(self.ticket, &self.tags);
        if purged == Purged::No {
            self.spared.store(now, Ordering::Relaxed);
        }
        purged
    }
}
