//! Which requests a stored answer is for (RFC 9111 section 4.1).

use http::{HeaderMap, HeaderName, header};

use crate::list;

/// Fields that an answer was chosen by, with what the request said in each, in one spelling for all that mean the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selecting {
    fields: Vec<(HeaderName, Option<String>)>,
    /// `Content-Language` of the answer, when it was chosen by language: whoever wants that language first may have it too.
    language: Option<String>,
}

impl Selecting {
    /// Of a request and its answer, which does not vary by `*`.
    pub fn of(request: &HeaderMap, answer: &HeaderMap) -> Self {
        let lines = answer.get_all(header::VARY).iter().filter_map(|line| line.to_str().ok());
        let names = lines.flat_map(list::split).filter_map(|name| name.parse::<HeaderName>().ok());
        let mut fields: Vec<_> = names.map(|name| (name.clone(), spelled(request, &name))).collect();
        fields.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        fields.dedup();
        let by_language = fields.iter().any(|(name, _)| *name == header::ACCEPT_LANGUAGE);
        let language = answer.get(header::CONTENT_LANGUAGE).filter(|_| by_language).and_then(|value| value.to_str().ok());
        Self { fields, language: language.map(str::to_ascii_lowercase) }
    }

    /// Whether the answer is for this request too.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.fields.iter().all(|(name, said)| {
            let asked = spelled(request, name);
            asked == *said || (*name == header::ACCEPT_LANGUAGE && self.is_first_choice(asked.as_deref()))
        })
    }

    /// The same without a field that the cache answers for itself.
    pub fn ignoring(mut self, name: &HeaderName) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    /// For every request alike.
    pub fn is_anybody(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values, for storing elsewhere.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fields.iter().map(|(name, said)| (name.as_str(), said.as_deref()))
    }

    fn is_first_choice(&self, asked: Option<&str>) -> bool {
        let first = asked.and_then(|asked| asked.split(',').next()).and_then(|choice| choice.split(';').next());
        let only = asked.is_some_and(|asked| asked.split(',').filter(|choice| !choice.contains(';')).count() == 1);
        only && first.is_some() && first == self.language.as_deref()
    }
}

/// The field in one spelling: lines joined, white space around members gone; where members are choices with weights, case and order
/// of equal choices do not matter either (RFC 9110 section 12.5). `None` when the request has no such field.
fn spelled(request: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = request.get_all(name).iter().peekable();
    lines.peek()?;
    let lines = lines.map(list::text).collect::<Vec<_>>();
    let members = lines.iter().flat_map(|line| list::split(line));
    let choices = [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::ACCEPT_CHARSET];
    if !choices.contains(name) {
        return Some(members.collect::<Vec<_>>().join(","));
    }
    let mut choices: Vec<Choice> = members.map(Choice::of).collect();
    choices.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.what.cmp(&b.what)));
    Some(choices.iter().map(Choice::spelled).collect::<Vec<_>>().join(","))
}

/// `what;q=weight`, the weight in thousandths.
struct Choice {
    what: String,
    weight: u16,
}

impl Choice {
    fn of(member: &str) -> Self {
        let mut parts = member.split(';').map(str::trim);
        let (mut what, mut weight) = (parts.next().unwrap_or_default().to_ascii_lowercase(), 1_000);
        for part in parts {
            // Values of parameters may mean something else in another case.
            match part.strip_prefix("q=").or(part.strip_prefix("Q=")).and_then(thousandths) {
                Some(given) => weight = given,
                None => what = format!("{what};{part}"),
            }
        }
        Self { what, weight }
    }

    fn spelled(&self) -> String {
        if self.weight == 1_000 { self.what.clone() } else { format!("{};q={}", self.what, self.weight) }
    }
}

/// `0`, `0.5`, `1.000` (RFC 9110 section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() != 1 || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let weight = whole.parse::<u16>().ok()? * 1_000 + format!("{part:0<3}").parse::<u16>().ok()?;
    (weight <= 1_000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_same_in_other_words_matches_and_nothing_else() {
        let answer = map(&[("vary", "Accept-Language, x-a"), ("vary", "X-B")]);
        let kept = Selecting::of(&map(&[("accept-language", "en, de;q=0.5"), ("x-a", "1, 2")]), &answer);
        let matches = |pairs| kept.matches(&map(pairs));
        assert!(matches(&[("accept-language", "DE ; q=0.50,EN"), ("x-a", "1"), ("x-a", "2")]));
        assert!(!matches(&[("accept-language", "en, de"), ("x-a", "1, 2")]));
        assert!(!matches(&[("accept-language", "en, de;q=0.5"), ("x-a", "2, 1")]));
        assert!(!matches(&[("accept-language", "en, de;q=0.5")]));
        assert!(!matches(&[("accept-language", "en, de;q=0.5"), ("x-a", "1, 2"), ("x-b", "")]));
        assert!(Selecting::of(&map(&[]), &map(&[])).is_anybody());
    }

    #[test]
    fn who_wants_the_language_first_may_have_it() {
        let answer = map(&[("vary", "accept-language"), ("content-language", "en")]);
        let kept = Selecting::of(&map(&[("accept-language", "fr, en;q=0.5")]), &answer);
        assert!(kept.matches(&map(&[("accept-language", "en, de;q=0.5")])));
        assert!(!kept.matches(&map(&[("accept-language", "de, en;q=0.5")])));
        assert!(!kept.matches(&map(&[("accept-language", "de, en")])));
    }
}
