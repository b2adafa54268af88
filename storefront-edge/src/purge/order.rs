//! What an order may say, and what is told of it.

use serde::{Deserialize, Serialize};
use storefront_types::{Problem, ProblemType};

/// Tags of one order, and targets.
const MAX_NAMES: usize = 1_000;

const MAX_TAG_BYTES: usize = 256;

const MAX_URL_BYTES: usize = 4_096;

/// The body of an order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Order {
    tags: Vec<String>,
    urls: Vec<String>,
    everything: bool,
    soft: bool,
}

/// What answers are stored under.
#[derive(Clone, Copy, Debug)]
pub(super) enum Urls {
    /// Path and query; the host does not matter.
    OfOneOrigin,
    /// Host, path and query.
    OfHosts,
}

/// A purge as it is told to other edges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Purge {
    /// The edge that took the order and has done it already.
    pub(crate) by: String,
    pub(crate) tags: Vec<String>,
    /// Authority and target.
    pub(crate) keys: Vec<(String, String)>,
    pub(crate) everything: bool,
    pub(crate) soft: bool,
}

impl Purge {
    pub(super) fn everything(by: &str) -> Self {
        Self { by: by.to_owned(), tags: Vec::new(), keys: Vec::new(), everything: true, soft: false }
    }

    /// More than this one.
    pub(super) fn of_everything(&self, soft: bool) -> Self {
        Self { soft, ..Self::everything(&self.by) }
    }
}

impl Order {
    pub(super) fn checked(self, by: &str, urls: Urls) -> Result<Purge, Problem> {
        let named = !self.tags.is_empty() || !self.urls.is_empty();
        if named == self.everything {
            return Err(wrong("body", "name `tags` or `urls`, or say `\"everything\": true` alone"));
        }
        for (name, list) in [("tags", &self.tags), ("urls", &self.urls)] {
            if list.len() > MAX_NAMES {
                return Err(wrong(name, &format!("{} are too many; say at most {MAX_NAMES} at once", list.len())));
            }
        }
        if let Some(tag) = self.tags.iter().find(|tag| !is_tag(tag)) {
            return Err(wrong(
                "tags",
                &format!("{tag:?} is no tag: 1 to {MAX_TAG_BYTES} printable ASCII characters without spaces"),
            ));
        }
        let keys = self.urls.iter().map(|url| key(url, urls).map_err(|reason| wrong("urls", &reason)));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Purge { by: by.to_owned(), tags: self.tags, keys, everything: self.everything, soft: self.soft })
    }
}

fn wrong(name: &str, reason: &str) -> Problem {
    Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}")).invalid_param(name, reason)
}

fn is_tag(tag: &str) -> bool {
    (1..=MAX_TAG_BYTES).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Authority and target that a URL's answer is stored under.
fn key(url: &str, urls: Urls) -> Result<(String, String), String> {
    if url.len() > MAX_URL_BYTES {
        return Err(format!("one has {} bytes; at most {MAX_URL_BYTES} are taken", url.len()));
    }
    let uri: http::Uri = url.parse().map_err(|error| format!("{url:?}: {error}"))?;
    let target = uri.path_and_query().map_or("/", |whole| whole.as_str());
    if !target.starts_with('/') {
        return Err(format!("{url:?}: say http://HOST/PATH or /PATH"));
    }
    match (urls, uri.authority()) {
        (Urls::OfOneOrigin, _) => Ok((String::new(), target.to_owned())),
        (Urls::OfHosts, Some(host)) => Ok((host.as_str().to_ascii_lowercase(), target.to_owned())),
        (Urls::OfHosts, None) => Err(format!("{url:?} names no host; hosts have answers of their own, say http://HOST{target}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str, urls: Urls) -> Result<Purge, Problem> {
        serde_json::from_str::<Order>(json).unwrap().checked("me", urls)
    }

    #[test]
    fn urls_are_what_answers_are_stored_under() {
        let keys = |json, urls| checked(json, urls).unwrap().keys;
        let json = r#"{"urls":["HTTP://Shop.Example:8080/a?b=C"]}"#;
        assert_eq!(keys(json, Urls::OfHosts), [("shop.example:8080".to_owned(), "/a?b=C".to_owned())]);
        assert_eq!(keys(json, Urls::OfOneOrigin), [(String::new(), "/a?b=C".to_owned())]);
        assert_eq!(keys(r#"{"urls":["/a"]}"#, Urls::OfOneOrigin), [(String::new(), "/a".to_owned())]);
        assert!(checked(r#"{"urls":["/a"]}"#, Urls::OfHosts).is_err(), "no host was named");
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused() {
        let many = format!("{{\"tags\":{:?}}}", vec!["a"; MAX_NAMES + 1]);
        let long = format!("{{\"tags\":[{:?}]}}", "a".repeat(MAX_TAG_BYTES + 1));
        for bad in ["{}", r#"{"soft":true}"#, r#"{"everything":true,"tags":["a"]}"#, r#"{"tags":["a b"]}"#, &many, &long] {
            assert!(checked(bad, Urls::OfOneOrigin).is_err(), "{bad}");
        }
        assert!(
            checked(r#"{"everything":true,"soft":true}"#, Urls::OfOneOrigin).is_ok_and(|purge| purge.everything && purge.soft)
        );
        assert!(serde_json::from_str::<Order>(r#"{"tag":["a"]}"#).is_err());
    }
}
