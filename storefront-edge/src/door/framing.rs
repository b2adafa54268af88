//! Looks at the bytes of a head for a request whose end two programs could see at two places. Pure.
//!
//! hyper takes `Transfer-Encoding` and drops `Content-Length` when both are there, so that nothing above can tell. That is allowed
//! (RFC 9112 section 6.3), and no shopper's program sends both: such a request is refused here. All else is hyper's to judge.

const NAMES: [&[u8]; 2] = [b"content-length:", b"transfer-encoding:"];

/// The longer of the names.
const LONGEST: usize = 18;

/// One head, as its bytes come in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    /// The beginning of the line at hand.
    begun: [u8; LONGEST],
    length: u8,
    /// Which names have been seen.
    seen: [bool; 2],
    is_over: bool,
    has_line: bool,
}

impl Framing {
    /// Whether the head has both lengths, as far as it has come.
    pub(super) fn sees_two_lengths(&mut self, mut bytes: &[u8]) -> bool {
        while !self.is_over && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
            self.take(line);
            if end.is_some() {
                self.end_line();
            }
            bytes = rest;
        }
        self.seen == [true, true]
    }

    fn take(&mut self, part: &[u8]) {
        let at = usize::from(self.length);
        let part = &part[..part.len().min(LONGEST - at)];
        self.begun[at..at + part.len()].copy_from_slice(part);
        self.length += u8::try_from(part.len()).unwrap_or_default();
    }

    fn end_line(&mut self) {
        let line = &self.begun[..usize::from(self.length)];
        if matches!(line, b"\r\n" | b"\n") {
            // Empty lines before the request line are passed over (RFC 9112 section 2.2).
            self.is_over = self.has_line;
        } else {
            self.has_line = true;
            for (seen, name) in self.seen.iter_mut().zip(NAMES) {
                *seen |= line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name);
            }
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sees(parts: &[&[u8]]) -> bool {
        let mut framing = Framing::default();
        parts.iter().fold(false, |_, part| framing.sees_two_lengths(part))
    }

    const BOTH: &[u8] = b"\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\nhost: a\r\nTRANSFER-encoding: chunked\r\n\r\n";

    #[test]
    fn both_are_seen_in_either_order_and_in_the_head_alone() {
        assert!(sees(&[BOTH]));
        assert!(sees(&[b"POST / HTTP/1.1\ntransfer-encoding:chunked\ncontent-length:1\n\n"]));
        assert!(!sees(&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\ntransfer-encoding: chunked\r\n\r\n"]));
        assert!(!sees(&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\nx-transfer-encoding: chunked\r\n\r\n"]));
        assert!(!sees(&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"]));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(first in 0..BOTH.len(), second in 0..BOTH.len()) {
            let (first, second) = (first.min(second), first.max(second));
            prop_assert!(sees(&[&BOTH[..first], &BOTH[first..second], &BOTH[second..]]));
        }
    }
}
