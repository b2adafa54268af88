//! Decisions are made of what comes in: no clock, no chance, no waiting.

#[test]
fn what_decides_knows_no_clock_and_does_not_wait() {
    let pure = [
        "checkout/attempts.rs",
        "leader/view.rs",
        "pages/outage.rs",
        "pages/reuse.rs",
        "pages/view.rs",
        "protect/adaptive.rs",
        "protect/client.rs",
        "protect/rate.rs",
        "upstream/breaker.rs",
        "upstream/ejection.rs",
        "upstream/latency.rs",
    ];
    for path in pure {
        let text = std::fs::read_to_string(format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for banned in ["Instant", "SystemTime", "tokio", "async ", "uuid", "rand::"] {
            assert!(!text.contains(banned), "{path} has {banned:?}");
        }
    }
}
