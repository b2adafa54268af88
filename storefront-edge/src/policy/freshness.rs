//! How long an answer is good for.

use http::{HeaderMap, header};

use super::directives::Directives;

/// Seconds from when the answer was received; the origin's own `Age` counts against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Fresh for so long (RFC 9111 section 4.2.1).
    pub(crate) fresh_s: u64,
    /// After that, may be shown for so long while it is revalidated (RFC 5861 section 3).
    pub(crate) while_revalidate_s: u64,
    /// After that, may be shown for so long when the origin fails (RFC 5861 section 4).
    pub(crate) if_error_s: u64,
    /// `Age` that the answer came with.
    pub(crate) initial_age_s: u64,
    /// `no-cache`: never without asking.
    pub(crate) always_validate: bool,
}

impl Lifetime {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let directives = Directives::of(headers);
        // A shared cache prefers s-maxage; it also forbids showing the answer stale unless another directive allows it.
        let fresh_s = directives.seconds("s-maxage").or_else(|| directives.seconds("max-age")).unwrap_or(0);
        let strict = directives.has("must-revalidate") || directives.has("proxy-revalidate");
        let allowed = |name| if strict { 0 } else { directives.seconds(name).unwrap_or(0) };
        Self {
            fresh_s,
            while_revalidate_s: allowed("stale-while-revalidate"),
            if_error_s: allowed("stale-if-error"),
            initial_age_s: initial_age(headers),
            always_validate: directives.has("no-cache"),
        }
    }

    /// Current age after `resident_s` seconds in the cache (section 4.2.3).
    pub(crate) fn age_s(&self, resident_s: u64) -> u64 {
        self.initial_age_s.saturating_add(resident_s)
    }
}

/// The first `Age` value; one that is no number is ignored (section 5.1).
fn initial_age(headers: &HeaderMap) -> u64 {
    let first = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    let first = first.and_then(|text| text.split(',').next()).map(str::trim);
    first.and_then(|text| text.parse().ok()).unwrap_or(0)
}
