//! HTTP/1.1 messages as they are on the wire, read without any of the kindness of a client library: fields keep their order, their case
//! and their lines, and a message that ends too early is seen to. Must not: know what a cache is.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Heads of tests are small; more is a mistake in a test.
const HEAD_LIMIT: usize = 256 * 1024;

/// First line and fields. Bytes above 0x7f are kept as the characters U+0080 to U+00FF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// All values of the lines of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// The lines of a field joined as a list, when there is one.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let lines = self.all(name);
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Second word of the first line.
    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no status: {self:?}"))
    }

    pub(crate) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }
}

/// What followed a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// It ended where its framing says.
    pub(crate) complete: bool,
}

pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}

async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if from.read_until(b'\n', &mut bytes).await? == 0 || bytes.pop() != Some(b'\n') {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Some(bytes.into_iter().map(char::from).collect()))
}

async fn fields(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<(String, String)>>> {
    let (mut fields, mut size) = (Vec::new(), 0);
    while let Some(line) = line(from).await? {
        size += line.len();
        assert!(size < HEAD_LIMIT, "a head of more than {HEAD_LIMIT} bytes");
        let Some((name, value)) = line.split_once(':') else {
            assert!(line.is_empty(), "no field: {line:?}");
            return Ok(Some(fields));
        };
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    Ok(None)
}

/// The next head; `None` when the connection ended before its end.
pub(crate) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Head>> {
    let Some(first) = line(from).await? else { return Ok(None) };
    Ok(fields(from).await?.map(|fields| Head { first, fields }))
}

/// The content of a message with this head. `until_close` is right for answers without a length.
pub(crate) async fn read_content(from: &mut (impl AsyncBufRead + Unpin), head: &Head, until_close: bool) -> io::Result<Content> {
    if head.get("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked")) {
        return chunks(from).await;
    }
    let mut content = Content::default();
    if let Some(length) = head.all("content-length").first() {
        let length: u64 = length.parse().unwrap_or_else(|_| panic!("no length: {length:?}"));
        let read = from.take(length).read_to_end(&mut content.bytes).await.unwrap_or_default();
        content.complete = read as u64 == length;
    } else if until_close {
        content.complete = from.read_to_end(&mut content.bytes).await.is_ok();
    } else {
        content.complete = true;
    }
    Ok(content)
}

async fn chunks(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Content> {
    let mut content = Content::default();
    while let Ok(Some(size)) = line(from).await {
        let Ok(size) = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16) else { return Ok(content) };
        if size == 0 {
            let Ok(Some(trailers)) = fields(from).await else { return Ok(content) };
            return Ok(Content { trailers, complete: true, ..content });
        }
        let read = from.take(size).read_to_end(&mut content.bytes).await.unwrap_or_default();
        if read as u64 != size || line(from).await.ok().flatten().is_none_or(|rest| !rest.is_empty()) {
            return Ok(content);
        }
    }
    Ok(content)
}
