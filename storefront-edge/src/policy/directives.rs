//! `Cache-Control` (RFC 9111 section 5.2): names in any case, values bare or quoted, the header repeated or in a list.

use http::{HeaderMap, header};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        Self(lines.flat_map(split_list).map(|item| directive(&item)).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A delta in seconds; the smallest when it is said twice, 0 (already stale) when it is no number (section 4.2.1).
    pub(crate) fn seconds(&self, name: &str) -> Option<u64> {
        let said = self.0.iter().filter(|(known, _)| known == name);
        said.map(|(_, value)| delta(value.as_deref().unwrap_or_default())).min()
    }
}

/// Digits alone; too many of them are a very long time (section 1.2.2).
fn delta(text: &str) -> u64 {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().unwrap_or(u64::MAX).min(1 << 31) } else { 0 }
}

fn directive(item: &str) -> (String, Option<String>) {
    match item.split_once('=') {
        Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim().trim_matches('"').to_owned())),
        None => (item.trim().to_ascii_lowercase(), None),
    }
}

/// Items of a list; a comma inside a quoted string does not separate (RFC 9110 section 5.6.1).
fn split_list(line: &str) -> Vec<String> {
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                items.push(std::mem::take(&mut item));
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    items.push(item);
    items.retain(|item| !item.trim().is_empty());
    items
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn case_quotes_repeats_and_lists_are_understood() {
        let mut headers = HeaderMap::new();
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("Public, MAX-AGE=\"60\", private=\"a, b\""));
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("max-age=30, s-maxage=abc,"));
        let directives = Directives::of(&headers);
        assert!(directives.has("public") && directives.has("private") && !directives.has("b"));
        assert_eq!(directives.seconds("max-age"), Some(30));
        assert_eq!(directives.seconds("s-maxage"), Some(0));
        assert_eq!(directives.seconds("stale-if-error"), None);
    }
}
