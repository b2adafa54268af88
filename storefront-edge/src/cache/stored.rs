//! One stored answer.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_cache_policy::{Lifetime, Part, Selecting};

use super::{Purged, Purges, Tag};
use crate::coding::Coding;

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
    /// Status line and fields as they go over the wire, without what changes from hit to hit.
    pub(crate) head: OnceLock<Box<[u8]>>,
}

/// A body in the codings that browsers take.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) zstd: Form,
    pub(crate) br: Form,
    pub(crate) gzip: Form,
}

/// One coding of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) body: Bytes,
    /// As [`Stored::head`], for this form.
    head: OnceLock<Box<[u8]>>,
}

impl From<Bytes> for Form {
    fn from(body: Bytes) -> Self {
        Self { body, head: OnceLock::new() }
    }
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
            head: OnceLock::new(),
        }
    }

    /// The same bytes as another answer has: its part, and its codings under these fields.
    pub(crate) fn with_forms_of(mut self, other: &Self) -> Self {
        self.part = other.part;
        if let Some(coded) = &other.coded {
            let again = |form: &Form| Form::from(form.body.clone());
            self.coded = Some(Coded { zstd: again(&coded.zstd), br: again(&coded.br), gzip: again(&coded.gzip) });
            let varies = self.headers.get_all(header::VARY).iter().any(|line| line == header::ACCEPT_ENCODING.as_str());
            if !varies {
                self.headers.append(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
            }
        }
        self
    }

    pub(crate) fn weight(&self) -> u64 {
        // Twice: as fields, and as they are written.
        let fields: usize = self.headers.iter().map(|(name, value)| 2 * (name.as_str().len() + value.len()) + 32).sum();
        let selecting: usize = self.selecting.fields().map(|(name, said)| name.len() + said.map_or(0, str::len)).sum();
        let headers = fields + selecting + size_of_val(&*self.tags);
        let coded = self.coded.as_ref().map_or(0, |coded| coded.zstd.body.len() + coded.br.body.len() + coded.gzip.body.len());
        (self.body.len() + coded + headers + OVERHEAD_BYTES) as u64
    }

    /// Status line and fields of HTTP/1.1 (RFC 9112 section 2.1), without the empty line that ends them, and the body.
    pub(crate) fn plain(&self) -> (&[u8], &Bytes) {
        (self.head.get_or_init(|| written(self.status, &self.headers)), &self.body)
    }

    /// The same in a coding; plain where there is none.
    pub(crate) fn coded(&self, coding: Coding) -> (&[u8], &Bytes) {
        let Some(form) = self.form(coding) else { return self.plain() };
        (form.head.get_or_init(|| written(self.status, &self.coded_fields(coding, form))), &form.body)
    }

    pub(crate) fn form(&self, coding: Coding) -> Option<&Form> {
        let coded = self.coded.as_ref()?;
        match coding {
            Coding::Zstd => Some(&coded.zstd),
            Coding::Br => Some(&coded.br),
            Coding::Gzip => Some(&coded.gzip),
            Coding::Identity => None,
        }
    }

    /// Fields of a coded form: another representation has another length and another strong tag (RFC 9110 section 8.8.3.3).
    pub(crate) fn coded_fields(&self, coding: Coding, form: &Form) -> HeaderMap {
        let mut fields = self.headers.clone();
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(form.body.len()));
        if let Some(etag) = fields.get(header::ETAG).and_then(|etag| coding.etag(etag)) {
            fields.insert(header::ETAG, etag);
        }
        fields
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

/// Status line and fields as they go over the wire, without the empty line that ends them.
pub(crate) fn written(status: StatusCode, fields: &HeaderMap) -> Box<[u8]> {
    let mut head = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.into()
}
