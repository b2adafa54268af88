//! `Cache-Control` of requests and answers (RFC 9111 section 5.2), and the targeted field that takes its place (RFC 9213).

use http::{HeaderMap, HeaderName, header};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::list::{Argument, Member, members};

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Longer than any lifetime that makes sense; larger numbers are read as this (RFC 9111 section 1.2.2).
pub(crate) const FOREVER_S: u64 = 1 << 31;

/// Directives of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    members: Vec<Member>,
    /// From `CDN-Cache-Control`: `Expires` and heuristics of others do not count beside it.
    targeted: bool,
}

impl Directives {
    /// Of a request. `Pragma: no-cache` counts where there is no `Cache-Control` (section 5.4).
    pub fn of_request(headers: &HeaderMap) -> Self {
        let mut found = members(headers, &header::CACHE_CONTROL);
        if !headers.contains_key(header::CACHE_CONTROL) {
            found.extend(members(headers, &header::PRAGMA).into_iter().filter(|member| member.name == "no-cache"));
        }
        Self { members: found, targeted: false }
    }

    /// Of an answer: `CDN-Cache-Control` where it is there and a structured dictionary, else `Cache-Control`.
    pub fn of_answer(headers: &HeaderMap) -> Self {
        match targeted(headers) {
            Some(members) => Self { members, targeted: true },
            None => Self { members: members(headers, &header::CACHE_CONTROL), targeted: false },
        }
    }

    pub(crate) fn is_targeted(&self) -> bool {
        self.targeted
    }

    /// With or without an argument.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// Without an argument: `private`, but not `private="set-cookie"`.
    pub fn has_unqualified(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name && fields_of(member).is_none())
    }

    /// Fields named by the qualified form of `no-cache` and `private` (sections 5.2.2.4 and 5.2.2.7).
    pub fn fields(&self, name: &str) -> Vec<HeaderName> {
        let named = self.members.iter().filter(|member| member.name == name);
        named.flat_map(|member| fields_of(member).unwrap_or_default()).collect()
    }

    /// Seconds of the first such directive. One that is no number counts as 0, already over (section 4.2.1).
    pub fn seconds(&self, name: &str) -> Option<u64> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some(member.argument.as_ref().and_then(|argument| delta_seconds(&argument.0)).unwrap_or(0))
    }

    /// The first such directive: `Some(None)` when it has no argument. One that is no number counts as 0.
    pub(crate) fn optional_seconds(&self, name: &str) -> Option<Option<u64>> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some(member.argument.as_ref().map(|argument| delta_seconds(&argument.0).unwrap_or(0)))
    }
}

/// The fields of a qualified directive; `None` when it is unqualified or names none, which is the stricter reading.
fn fields_of(member: &Member) -> Option<Vec<HeaderName>> {
    let Argument(list) = member.argument.as_ref()?;
    let names: Result<Vec<HeaderName>, _> = list.split(',').map(|name| name.trim().parse()).collect();
    names.ok().filter(|names| !names.is_empty())
}

/// Digits alone (RFC 9111 section 1.2.2).
pub(crate) fn delta_seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(FOREVER_S).min(FOREVER_S))
}

/// Members of `CDN-Cache-Control`. One that does not parse as a whole, or is empty, is as if it were not there (RFC 9213 section 2.1);
/// a member of the wrong type is kept without an argument, so that a lifetime that is none counts as over.
fn targeted(headers: &HeaderMap) -> Option<Vec<Member>> {
    let lines: Vec<&[u8]> = headers.get_all(CDN_CACHE_CONTROL).iter().map(http::HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return None;
    }
    let dictionary: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    let found: Vec<Member> = dictionary.iter().filter_map(|(key, entry)| targeted_member(key.as_str(), entry)).collect();
    (!dictionary.is_empty()).then_some(found)
}

fn targeted_member(key: &str, entry: &ListEntry) -> Option<Member> {
    let argument = match entry {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::Boolean(true) => None,
            // `no-store=?0` says that it does not apply.
            BareItem::Boolean(false) => return None,
            BareItem::Integer(number) => Some(i64::from(*number).to_string()),
            BareItem::String(text) if matches!(key, "no-cache" | "private") => Some(text.as_str().to_owned()),
            _ => Some(String::new()),
        },
        ListEntry::InnerList(_) => Some(String::new()),
    };
    Some(Member { name: key.to_owned(), argument: argument.map(Argument) })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(pairs: &[(&'static str, &'static str)]) -> Directives {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Directives::of_answer(&headers)
    }

    #[test]
    fn case_quotes_repeats_and_lists_are_understood() {
        let said = answer(&[
            ("cache-control", r#"Public, MAX-AGE="60", private="a, b""#),
            ("cache-control", "max-age=30, s-maxage=abc,"),
        ]);
        assert!(said.has("public") && said.has("private") && !said.has("b"));
        assert!(!said.has_unqualified("private"));
        assert_eq!(said.fields("private"), ["a", "b"]);
        assert_eq!((said.seconds("max-age"), said.seconds("s-maxage"), said.seconds("min-fresh")), (Some(60), Some(0), None));
        for bad in ["max-age='60'", "max-age=60.5", "max-age=-1", "max-age= 60", "max-age =60", "max-age", "max-age=60a"] {
            assert_eq!(answer(&[("cache-control", bad)]).seconds("max-age"), Some(0), "{bad}");
        }
        assert_eq!(answer(&[("cache-control", "max-age=99999999999999999999")]).seconds("max-age"), Some(FOREVER_S));
        assert_eq!(answer(&[("cache-control", "x=\"max-age=9\", max-age=1")]).seconds("max-age"), Some(1));
    }

    #[test]
    fn a_targeted_field_takes_the_place_unless_it_cannot_be_read() {
        let both = |cdn| answer(&[("cache-control", "no-store"), ("cdn-cache-control", cdn)]);
        assert!(both("max-age=60").is_targeted() && !both("max-age=60").has("no-store"));
        assert_eq!(both("max-age=60;x=1, private").seconds("max-age"), Some(60));
        assert_eq!(both("max-age=1.5").seconds("max-age"), Some(0));
        for unreadable in ["MAX-AGE=60", "max-age=60,", "max-age==1", "", "max-age=6 0"] {
            assert!(both(unreadable).has("no-store"), "{unreadable}");
        }
    }
}
