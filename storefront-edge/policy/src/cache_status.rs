//! `Cache-Status` (RFC 9211).

use std::fmt;

use http::HeaderValue;

use crate::Why;

/// What the cache did for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Served without asking the origin.
    pub hit: bool,
    pub forwarded: Option<Forwarded>,
    /// What the origin answered.
    pub forwarded_status: Option<u16>,
    /// Seconds that the answer stays fresh; negative when it is stale.
    pub ttl_s: Option<i64>,
    pub stored: bool,
    pub collapsed: bool,
    /// A token.
    pub detail: Option<&'static str>,
}

/// Why the origin was asked (section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    Because(Why),
    /// The method is not one that this cache answers.
    Method,
    /// A stored part did not hold what was asked for.
    Partial,
    /// This cache has no say in it.
    Bypass,
}

impl Forwarded {
    fn token(self) -> &'static str {
        match self {
            Self::Because(Why::UriMiss) => "uri-miss",
            Self::Because(Why::VaryMiss) => "vary-miss",
            Self::Because(Why::Stale | Why::Purged | Why::NoCache) => "stale",
            Self::Because(Why::Request) => "request",
            Self::Method => "method",
            Self::Partial => "partial",
            Self::Bypass => "bypass",
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("storefront")?;
        if self.hit {
            out.write_str("; hit")?;
        }
        if let Some(forwarded) = self.forwarded {
            write!(out, "; fwd={}", forwarded.token())?;
        }
        if let Some(status) = self.forwarded_status {
            write!(out, "; fwd-status={status}")?;
        }
        if let Some(ttl_s) = self.ttl_s {
            write!(out, "; ttl={ttl_s}")?;
        }
        for (said, name) in [(self.stored, "stored"), (self.collapsed, "collapsed")] {
            if said {
                write!(out, "; {name}")?;
            }
        }
        self.detail.map_or(Ok(()), |detail| write!(out, "; detail={detail}"))
    }
}

impl CacheStatus {
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).unwrap_or(HeaderValue::from_static("storefront"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_the_notation_of_structured_fields() {
        let hit = CacheStatus { hit: true, ttl_s: Some(-3), detail: Some("stale-if-error"), ..CacheStatus::default() };
        assert_eq!(hit.to_string(), "storefront; hit; ttl=-3; detail=stale-if-error");
        let miss = CacheStatus {
            forwarded: Some(Forwarded::Because(Why::UriMiss)),
            forwarded_status: Some(200),
            stored: true,
            collapsed: true,
            ..CacheStatus::default()
        };
        assert_eq!(miss.to_string(), "storefront; fwd=uri-miss; fwd-status=200; stored; collapsed");
        for status in [hit, miss] {
            assert!(sfv::Parser::new(&status.to_string()).parse::<sfv::List>().is_ok());
        }
    }
}
