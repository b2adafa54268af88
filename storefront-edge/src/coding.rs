//! Content codings (RFC 9110 section 8.4): which one a client takes, and making them.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::cache::{Coded, Form};

/// Smaller bodies fit into one packet anyway.
const WORTH_BYTES: usize = 1_024;

/// Larger ones would hold a thread for long; they are pictures or exports.
const TOO_LARGE_BYTES: usize = 4 * 1024 * 1024;

/// Made once and served often, so the better half of each scale.
const ZSTD_LEVEL: i32 = 9;
const BR_LEVEL: i32 = 6;
const BR_WINDOW: i32 = 20;

/// Of what is made often.
const QUICK_ZSTD_LEVEL: i32 = 1;
const QUICK_BR_LEVEL: i32 = 2;

/// In the order in which they are preferred: smallest and quickest to read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Br,
    Gzip,
    Identity,
}

impl Coding {
    /// As in `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// The validator of this form.
    pub(crate) fn etag(self, etag: &HeaderValue) -> Option<HeaderValue> {
        let text = etag.to_str().ok()?;
        HeaderValue::from_str(&format!("{}-{}\"", text.strip_suffix('"')?, self.name())).ok()
    }
}

/// The best coding that the client takes.
pub(crate) fn best(request: &HeaderMap) -> Coding {
    best_of(request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok()))
}

/// The best coding that these lines of `Accept-Encoding` take (RFC 9110 section 12.5.3). Weights above 0 are alike.
pub(crate) fn best_of<'a>(lines: impl Iterator<Item = &'a str>) -> Coding {
    let (mut best, mut any) = (Coding::Identity, false);
    for member in lines.flat_map(|line| line.split(',')) {
        let (name, weight) = member.split_once(';').unwrap_or((member, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_end_matches(['0', '.']).is_empty());
        let coding = match name.trim() {
            "zstd" => Coding::Zstd,
            "br" => Coding::Br,
            "gzip" | "x-gzip" => Coding::Gzip,
            "*" => {
                any = !refused;
                continue;
            }
            _ => continue,
        };
        if !refused && (coding as u8) < (best as u8) {
            best = coding;
        }
    }
    if any && best == Coding::Identity { Coding::Gzip } else { best }
}

/// Text that is long enough and not coded yet.
pub(crate) fn is_worth_it(headers: &HeaderMap, body: &Bytes) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = kind.starts_with("text/") || ["json", "javascript", "xml", "svg"].iter().any(|part| kind.contains(part));
    text && (WORTH_BYTES..TOO_LARGE_BYTES).contains(&body.len()) && !headers.contains_key(header::CONTENT_ENCODING)
}

/// All three codings; `None` when one could not be made.
pub(crate) fn encode(body: &Bytes) -> Option<Coded> {
    let form = |coding, effort| encode_as(coding, body, effort).map(Form::from);
    Some(Coded {
        zstd: form(Coding::Zstd, Effort::Once)?,
        br: form(Coding::Br, Effort::Once)?,
        gzip: form(Coding::Gzip, Effort::Once)?,
    })
}

/// How much work a coding is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Made once and sent often.
    Once,
    /// Made again several times a second, on a thread that serves: a tenth of a millisecond for a page.
    Often,
}

/// One coding; `None` when it could not be made.
pub(crate) fn encode_as(coding: Coding, body: &[u8], effort: Effort) -> Option<Bytes> {
    let often = effort == Effort::Often;
    match coding {
        Coding::Identity => None,
        Coding::Zstd => zstd::bulk::compress(body, if often { QUICK_ZSTD_LEVEL } else { ZSTD_LEVEL }).ok().map(Bytes::from),
        Coding::Br => {
            let (mut coded, quality) = (Vec::new(), if often { QUICK_BR_LEVEL } else { BR_LEVEL });
            let parameters = brotli::enc::BrotliEncoderParams { quality, lgwin: BR_WINDOW, ..Default::default() };
            brotli::BrotliCompress(&mut &body[..], &mut coded, &parameters).ok()?;
            Some(coded.into())
        }
        Coding::Gzip => {
            let level = if often { flate2::Compression::fast() } else { flate2::Compression::default() };
            let mut coded = flate2::write::GzEncoder::new(Vec::new(), level);
            coded.write_all(body).ok()?;
            coded.finish().ok().map(Bytes::from)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_client_is_given_the_best_it_takes() {
        let best = |value| best(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]));
        assert_eq!(best("gzip, deflate, br, zstd"), Coding::Zstd);
        assert_eq!(best("gzip;q=0.5, br;q=0"), Coding::Gzip);
        assert_eq!(best("zstd;q=0.0,br"), Coding::Br);
        assert_eq!((best("*"), best("*;q=0"), best("identity")), (Coding::Gzip, Coding::Identity, Coding::Identity));
        assert_eq!(Coding::Br.etag(&HeaderValue::from_static("\"a\"")).unwrap(), "\"a-br\"");
    }

    #[test]
    fn each_form_reads_back_to_the_same_bytes() {
        let body = Bytes::from("a page of text ".repeat(200));
        let coded = encode(&body).unwrap();
        assert_eq!(zstd::bulk::decompress(&coded.zstd.body, body.len()).unwrap(), body);
        let (mut br, mut gzip) = (Vec::new(), Vec::new());
        brotli::BrotliDecompress(&mut &coded.br.body[..], &mut br).unwrap();
        flate2::read::GzDecoder::new(&coded.gzip.body[..]).read_to_end(&mut gzip).unwrap();
        assert!(br == body && gzip == body);
        assert!(coded.zstd.body.len() < 200 && coded.br.body.len() < 200 && coded.gzip.body.len() < 200);
    }
}
