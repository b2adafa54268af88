//! Lists in header fields (RFC 9110 section 5.6.1): members between commas, over any number of lines.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

/// One member: its name in lower case, and its argument without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub argument: Option<Argument>,
}

/// `token` or `"quoted string"`, unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(pub String);

/// All members of all lines of a field, empty ones left out.
pub fn members(headers: &HeaderMap, name: &HeaderName) -> Vec<Member> {
    headers.get_all(name).iter().flat_map(|line| split(&text(line)).map(member).collect::<Vec<_>>()).collect()
}

/// A line as text. Each byte above ASCII becomes the character of that number, so that nothing beside it is overlooked and no two lines
/// become the same.
pub(crate) fn text(line: &HeaderValue) -> Cow<'_, str> {
    line.to_str().map_or_else(|_| line.as_bytes().iter().map(|byte| char::from(*byte)).collect(), Cow::Borrowed)
}

/// Texts of the members of one line. A comma inside a quoted string does not separate; a quote that never ends is no quote, so that
/// nothing behind it is overlooked.
pub(crate) fn split(line: &str) -> impl Iterator<Item = &str> {
    let (mut rest, mut open) = (Some(line), false);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = end_of_member(line, &mut open);
        rest = line.get(end + 1..);
        line.get(..end)
    })
    .map(str::trim)
    .filter(|item| !item.is_empty())
}

/// `open`: a quote was found that never ends. No later one is looked at, so that a line is read once, not once for each quote.
fn end_of_member(line: &str, open: &mut bool) -> usize {
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b',' => return at,
            b'"' if !*open => match end_of_quote(bytes, at) {
                Some(end) => at = end,
                None => *open = true,
            },
            _ => {}
        }
        at += 1;
    }
    line.len()
}

/// Where the quote that begins at `begin` ends.
fn end_of_quote(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn member(item: &str) -> Member {
    match item.split_once('=') {
        // White space around `=` is not in the grammar; kept, it makes the argument unreadable, which is the safe side.
        Some((name, argument)) => {
            let spaced = name.ends_with([' ', '\t']);
            let argument = if spaced { format!(" {argument}") } else { unquote(argument) };
            Member { name: name.trim().to_ascii_lowercase(), argument: Some(Argument(argument)) }
        }
        None => Member { name: item.to_ascii_lowercase(), argument: None },
    }
}

fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') || end_of_quote(bytes, 0) != Some(text.len() - 1) {
        return text.to_owned();
    }
    let (mut plain, mut escaped) = (String::with_capacity(text.len()), false);
    for c in text.get(1..text.len() - 1).unwrap_or_default().chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_do_not_separate_and_open_quotes_hide_nothing() {
        let texts = |line| split(line).collect::<Vec<_>>();
        assert_eq!(texts(r#"a="1, 2" ,, b,"#), [r#"a="1, 2""#, "b"]);
        assert_eq!(texts(r#"a="x\", y", b"#), [r#"a="x\", y""#, "b"]);
        assert_eq!(texts(r#"a="1, no-store"#), [r#"a="1"#, "no-store"]);
        // Read once, whatever it has of quotes: with one look to the end for each this would take hours.
        let quotes = r#"\","#.repeat(500_000);
        assert_eq!(texts(&format!("\"{quotes}x")).last(), Some(&"x"));
        assert_eq!(member(r#"Max-Age="6\0""#), Member { name: "max-age".into(), argument: Some(Argument("60".into())) });
        assert_eq!(member("max-age =60").argument, Some(Argument(" 60".into())));
    }
}
