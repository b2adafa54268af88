//! What the scripted origin says to one request, put together by a test. Must not: decide anything.

use std::time::Duration;

use super::{date::date, wire::latin1};

/// How the content ends, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked {
        trailers: Vec<(String, String)>,
    },
    UntilClose,
    /// Says that so many more bytes will come, and closes.
    CutLength {
        missing: usize,
    },
    /// Closes in place of the last chunk.
    CutChunks,
    /// A chunk size that is no number, then closes.
    BadChunks,
    /// Closes without a byte.
    Nothing,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) version: &'static str,
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) interim: Vec<(u16, Vec<(String, String)>)>,
    pub(crate) delay: Duration,
    pub(crate) framing: Framing,
    dated: bool,
}

/// An answer with this status and no fields but `Date` and what frames its content.
pub(crate) fn status(status: u16) -> Answer {
    let framing = Framing::Length;
    let (version, delay) = ("HTTP/1.1", Duration::ZERO);
    Answer { version, status, fields: Vec::new(), body: None, interim: Vec::new(), delay, framing, dated: true }
}

/// `200` with this `Cache-Control`.
pub(crate) fn ok(cache_control: &str) -> Answer {
    status(200).with("Cache-Control", cache_control)
}

/// `200` without `Cache-Control`.
pub(crate) fn plain() -> Answer {
    status(200)
}

/// The connection is closed in place of an answer.
pub(crate) fn closes() -> Answer {
    Answer { framing: Framing::Nothing, ..status(200) }
}

impl Answer {
    /// One more line.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// No `Date` unless given.
    pub(crate) fn undated(self) -> Self {
        Self { dated: false, ..self }
    }

    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: Some(body.as_ref().to_vec()), ..self }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub(crate) fn framed(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    pub(crate) fn chunked(self, trailers: &[(&str, &str)]) -> Self {
        self.framed(Framing::Chunked { trailers: owned(trailers) })
    }

    pub(crate) fn http10(self) -> Self {
        Self { version: "HTTP/1.0", framing: Framing::UntilClose, ..self }
    }

    /// An interim answer before this one.
    pub(crate) fn interim(mut self, status: u16, fields: &[(&str, &str)]) -> Self {
        self.interim.push((status, owned(fields)));
        self
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn contentless(&self, method: &str) -> bool {
        method == "HEAD" || matches!(self.status, 204 | 304) || self.status < 200
    }

    /// The bytes of this answer to a request with this method; `body` when it was not given another.
    pub(crate) fn bytes(&self, method: &str, body: &[u8]) -> Vec<u8> {
        if self.framing == Framing::Nothing {
            return Vec::new();
        }
        let mut fields = self.fields.clone();
        if self.dated && !self.has("date") {
            fields.push(("Date".to_owned(), date(0)));
        }
        let mut head = format!("{} {} Scripted\r\n", self.version, self.status);
        let content = if self.contentless(method) { Vec::new() } else { self.content(&mut fields, body) };
        if method == "HEAD" && !self.has("content-length") {
            fields.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        for (name, value) in &fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [latin1(&head), b"\r\n".to_vec(), content].concat()
    }

    /// The content as sent, and the field that says how it is framed.
    fn content(&self, fields: &mut Vec<(String, String)>, body: &[u8]) -> Vec<u8> {
        let mut framed = |name: &str, value: String| {
            if !self.has(name) {
                fields.push((name.to_owned(), value));
            }
        };
        let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
        match &self.framing {
            Framing::Length => framed("Content-Length", body.len().to_string()),
            Framing::CutLength { missing } => framed("Content-Length", (body.len() + missing).to_string()),
            Framing::UntilClose => framed("Connection", "close".to_owned()),
            _ => framed("Transfer-Encoding", "chunked".to_owned()),
        }
        match &self.framing {
            Framing::Chunked { trailers } => {
                let trailers: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                [chunk, b"0\r\n".to_vec(), latin1(&trailers), b"\r\n".to_vec()].concat()
            }
            Framing::CutChunks => chunk,
            Framing::BadChunks => [chunk, b"nonsense\r\n".to_vec()].concat(),
            _ => body.to_vec(),
        }
    }

    /// Whether the connection ends with this answer.
    pub(crate) fn ends_connection(&self) -> bool {
        !matches!(self.framing, Framing::Length | Framing::Chunked { .. })
    }
}

pub(crate) fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
