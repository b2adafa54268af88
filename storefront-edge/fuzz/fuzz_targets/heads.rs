//! Any two heads, read as an answer and a request: `cargo +nightly fuzz run heads` in `storefront-edge`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| http_cache_policy_fuzz::heads(bytes));
