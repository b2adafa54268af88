//! The saga stays pure.

#[test]
fn the_saga_knows_no_clock_no_chance_and_waits_for_nothing() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/checkout/saga.rs")).unwrap();
    let banned = ["std::time", "Instant", "async ", ".await", "tokio", "rand::", "HashMap", "sqlx", "now_"];
    let found: Vec<_> = banned.iter().filter(|word| text.contains(**word)).collect();
    assert!(found.is_empty() && text.contains("pub(crate) fn next"), "{found:?}");
}

#[test]
fn the_life_of_an_order_knows_no_clock_no_chance_and_waits_for_nothing() {
    for file in ["order/life.rs", "order/publish.rs", "order/effect.rs", "outbox/event.rs", "outbox/envelope.rs"] {
        let text = std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let banned = ["std::time", "Instant", "async ", ".await", "tokio", "rand::", "HashMap", "sqlx", "now_"];
        let found: Vec<_> = banned.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty() && text.contains("Pure") | text.contains("contract"), "{file}: {found:?}");
    }
}
