//! What travels with a request through every process: its id and the W3C trace context.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Longest request id taken over from a client, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// The `X-Request-Id` of one request: 1 to 64 ASCII letters, digits, `-`, `_` or `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// The client's own id where it is well formed, else the given fresh one. A malformed id is never logged or echoed.
    pub fn from_client(text: Option<&str>, fresh: Uuid) -> Self {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let fits = |t: &&str| !t.is_empty() && t.len() <= MAX_REQUEST_ID_BYTES && t.bytes().all(allowed);
        Self(text.filter(fits).map_or_else(|| fresh.to_string(), str::to_owned))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A `traceparent` of version 00 (W3C Trace Context, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent: 00-<32 hex>-<16 hex>-<2 hex>")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// A new trace whose ids come from a fresh random UUID; flags say "sampled".
    pub fn root(fresh: Uuid) -> Self {
        let (_, low) = fresh.as_u64_pair();
        Self { trace_id: fresh.as_u128().max(1), parent_id: low.max(1), flags: 1 }
    }

    /// The same trace with another parent span.
    pub fn child(self, fresh: Uuid) -> Self {
        Self { parent_id: fresh.as_u64_pair().1.max(1), ..self }
    }

    /// 32 lower-case hex digits.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace_id, parent_id, flags] = parts[..] else {
            return Err(InvalidTraceParent);
        };
        let shaped = version == "00" && trace_id.len() == 32 && parent_id.len() == 16 && flags.len() == 2;
        if !shaped || ![trace_id, parent_id, flags].into_iter().all(hex) {
            return Err(InvalidTraceParent);
        }
        let bad = |_| InvalidTraceParent;
        let trace_id = u128::from_str_radix(trace_id, 16).map_err(bad)?;
        let parent_id = u64::from_str_radix(parent_id, 16).map_err(bad)?;
        let flags = u8::from_str_radix(flags, 16).map_err(bad)?;
        if trace_id == 0 || parent_id == 0 {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace_id, parent_id, flags })
    }
}

/// Handed to every client call, so that one id names a request in the logs of every process it passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallContext {
    pub request_id: RequestId,
    pub trace: TraceParent,
}

impl CallContext {
    /// For work that no request started (start-up, background loops, tools): `fresh` is a random UUID.
    pub fn background(fresh: Uuid) -> Self {
        Self { request_id: RequestId::from_client(None, fresh), trace: TraceParent::root(fresh) }
    }

    /// The two headers to send along, name and value.
    pub fn headers(&self) -> [(&'static str, String); 2] {
        [("x-request-id", self.request_id.to_string()), ("traceparent", self.trace.to_string())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_round_trips_and_refuses_the_specs_invalid_forms() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), text);
        for bad in [
            "",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(InvalidTraceParent), "{bad:?}");
        }
    }

    #[test]
    fn a_malformed_request_id_is_replaced() {
        let fresh = Uuid::from_u128(7);
        assert_eq!(RequestId::from_client(Some("abc-1"), fresh).as_str(), "abc-1");
        assert_eq!(RequestId::from_client(Some("a\nb"), fresh).as_str(), fresh.to_string());
        assert_eq!(RequestId::from_client(None, fresh).as_str(), fresh.to_string());
    }
}
