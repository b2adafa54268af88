//! Pages that were made, kept as bytes: what everybody looks at is made at most a few times a second, and only when it says something else.
//!
//! Owns: what a page depends on, and whether it may be shown again. Must not: wait. What is not here is made on the way through the routes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use quick_cache::{Weighter, sync::Cache as Shelf};
use storefront_types::Region;
use time::OffsetDateTime;

use super::{
    making::{self, Made, NotMade},
    rendered::Rendered,
    reuse::{self, Standing, Verdict},
    security,
    view::{self, Asked, View},
};
use crate::{
    cache::Stored,
    engine::Engine,
    live::{Live, Moment, Place},
    upstream::Answer,
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const HIT: &str = "storefront; hit";
const COVERING: &str = "storefront; hit; detail=stale-if-error";

/// Pages that the shelf is laid out for: 16 MiB of 8 KiB each.
const EXPECTED_PAGES: usize = 2_048;

/// A page's headers, and what it depends on.
const PAGE_OVERHEAD_BYTES: usize = 2_048;

/// While the catalog is away it is asked about a page once in that time, not by everybody who looks at it.
const COVERED: Duration = Duration::from_secs(1);

/// The answer of the catalog that a page is made from, and how long it is good.
#[derive(Clone)]
enum Source {
    /// As long as the cache says.
    Stored(Arc<Stored>),
    /// Stale, in place of an answer that did not come: of `of`, for a moment.
    Covering { body: Bytes, of: OffsetDateTime, until: Instant },
    /// For this one request.
    Passing(Bytes),
}

impl Source {
    fn body(&self) -> &Bytes {
        match self {
            Self::Stored(stored) => &stored.body,
            Self::Covering { body, .. } | Self::Passing(body) => body,
        }
    }

    fn media_type(&self) -> Option<&HeaderValue> {
        match self {
            Self::Stored(stored) => stored.headers.get(header::CONTENT_TYPE),
            Self::Covering { .. } | Self::Passing(_) => None,
        }
    }

    fn covered(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Covering { of, .. } => Some(*of),
            Self::Stored(_) | Self::Passing(_) => None,
        }
    }
}

/// A page, what it was made from, and when.
struct Page {
    view: View,
    source: Source,
    skus: Vec<Place>,
    /// Before the stock was read.
    read: Moment,
    made: Instant,
    as_of: Option<OffsetDateTime>,
    said_current: bool,
    is_being_remade: AtomicBool,
    rendered: Arc<Rendered>,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<String, Arc<Page>> for Weigh {
    fn weight(&self, key: &String, page: &Arc<Page>) -> u64 {
        (key.len() + page.source.body().len() + page.rendered.plain().1.len() + PAGE_OVERHEAD_BYTES) as u64
    }
}

pub(crate) struct KeptPages {
    shelf: Shelf<String, Arc<Page>, Weigh>,
    engine: Arc<Engine>,
    live: Arc<Live>,
    region: Region,
}

impl KeptPages {
    pub(crate) fn new(bytes: u64, engine: Arc<Engine>, live: Arc<Live>, region: Region) -> Self {
        Self { shelf: Shelf::with_weighter(EXPECTED_PAGES, bytes, Weigh), engine, live, region }
    }

    /// Whether the answer at this path is made here of the one that the cache has under the same path.
    pub(crate) fn makes(target: &str) -> bool {
        view::is_product_json(view::key(target))
    }

    /// The page to be sent for a `GET` or `HEAD` of a path, if it is kept and says nothing that is not so. Waits for nothing; it may make
    /// the page anew from what is known here, which one caller does while all others get the bytes of a moment ago.
    pub(crate) fn rendered(&self, path_and_query: &str, request: &HeaderMap, now: Instant) -> Option<Arc<Rendered>> {
        let key = view::key(path_and_query);
        // A program may say how fresh an answer it wants; people's browsers say that with every reload.
        if key.starts_with("/v1/") && request.contains_key(header::CACHE_CONTROL) {
            return None;
        }
        let page = self.shelf.get(key)?;
        match reuse::decide(&self.standing(&page, now)) {
            Verdict::Reuse => Some(page.rendered.clone()),
            Verdict::Ask => None,
            Verdict::Remake(why) => {
                if page.is_being_remade.swap(true, Ordering::AcqRel) {
                    return Some(page.rendered.clone());
                }
                metrics::counter!("edge_pages_remade_total", "why" => why.as_str()).increment(1);
                self.remake(key, &page, now)
            }
        }
    }

    fn standing(&self, page: &Page, now: Instant) -> Standing {
        let shows_time = page.view == View::ProductJson;
        Standing {
            age: now.saturating_duration_since(page.made),
            is_outdated: !self.is_good(&page.source, now),
            is_sold: self.live.changed.is_changed(&page.skus, page.read),
            is_behind: shows_time && self.live.as_of() > page.as_of,
            is_wrong_about_now: !page.skus.is_empty() && self.live.is_current(now) != page.said_current,
        }
    }

    fn is_good(&self, source: &Source, now: Instant) -> bool {
        match source {
            Source::Stored(stored) => self.engine.is_fresh(stored),
            Source::Covering { until, .. } => now < *until,
            Source::Passing(_) => false,
        }
    }

    fn remake(&self, key: &str, page: &Page, now: Instant) -> Option<Arc<Rendered>> {
        match self.put(key, &page.view, page.source.clone(), now) {
            Ok(rendered) => Some(rendered),
            Err(error) => {
                tracing::error!(%error, key, "a page that could be made cannot be made again");
                self.shelf.remove(key);
                None
            }
        }
    }

    /// Makes a page from the catalog's answer, and keeps it as long as the answer that the cache has of it is good.
    pub(super) fn make(&self, asked: &Asked, answer: &Answer, now: Instant) -> Result<Arc<Rendered>, NotMade> {
        let source = match self.engine.fresh(&asked.source) {
            Some(stored) => Source::Stored(stored),
            None if is_covering(answer) => {
                Source::Covering { body: answer.body.clone(), of: moment_of(answer), until: now + COVERED }
            }
            None => Source::Passing(answer.body.clone()),
        };
        let kept = self.put(&asked.key, &asked.view, source, now)?;
        // This one answer came another way than those that follow.
        let (headers, body) = kept.plain();
        let mut headers = headers.clone();
        headers.remove(header::VARY);
        if let Some(status) = answer.headers.get(CACHE_STATUS) {
            headers.insert(CACHE_STATUS, status.clone());
        }
        Ok(Arc::new(Rendered::new(headers, body.clone())))
    }

    fn put(&self, key: &str, view: &View, source: Source, now: Instant) -> Result<Arc<Rendered>, NotMade> {
        // Both before the stock is read.
        let (read, as_of) = (self.live.changed.now(), self.live.as_of());
        let said_current = self.live.is_current(now);
        let made = making::make(view, source.body(), source.covered(), &self.live, now)?;
        let skus = made.skus.iter().map(|sku| self.live.place(sku)).collect();
        let status = if source.covered().is_some() { COVERING } else { HIT };
        let mut headers = security::page_headers(view, &self.region);
        if let (View::ProductJson, Some(media_type)) = (view, source.media_type()) {
            headers.insert(header::CONTENT_TYPE, media_type.clone());
        }
        headers.insert(header::ETAG, etag(&made));
        headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
        let rendered = Arc::new(Rendered::new(headers, made.body.into()));
        if !matches!(source, Source::Passing(_)) {
            let page = Page {
                view: view.clone(),
                source,
                skus,
                read,
                made: now,
                as_of,
                said_current,
                is_being_remade: AtomicBool::new(false),
                rendered: rendered.clone(),
            };
            self.shelf.insert(key.to_owned(), Arc::new(page));
        }
        Ok(rendered)
    }
}

/// Whether the catalog failed, and this is what it said before.
fn is_covering(answer: &Answer) -> bool {
    let status = answer.headers.get_all(CACHE_STATUS).iter().filter_map(|value| value.to_str().ok());
    status.into_iter().any(|status| status.contains("detail=stale-if-error"))
}

/// When an answer was given, to the minute, so that a page that says it stays the same.
fn moment_of(answer: &Answer) -> OffsetDateTime {
    let age_s = answer.headers.get(header::AGE).and_then(|age| age.to_str().ok()?.parse::<u64>().ok()).unwrap_or_default();
    let now = OffsetDateTime::now_utc();
    let of = i64::try_from(age_s).ok().and_then(|age_s| now.checked_sub(time::Duration::seconds(age_s))).unwrap_or(now);
    of.replace_time(time::Time::from_hms(of.hour(), of.minute(), 0).unwrap_or(time::Time::MIDNIGHT))
}

/// Over the bytes; for an answer whose time goes on while it says nothing else, weakly over what it says (RFC 9110 section 8.8.1).
fn etag(made: &Made) -> HeaderValue {
    let print = made.print.unwrap_or_else(|| blake3::hash(&made.body)).to_hex();
    let weak = if made.print.is_some() { "W/" } else { "" };
    HeaderValue::from_str(&format!("{weak}\"{}\"", &print[..32])).unwrap_or(HeaderValue::from_static("\"\""))
}
