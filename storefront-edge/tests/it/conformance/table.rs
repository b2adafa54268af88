//! The table of requirements and the tests name each other, row by row; and the stage itself can fail. Must not: judge a cache.

use std::collections::BTreeSet;

use super::{
    TESTS,
    answer::{ok, plain},
    play::Stage,
    step::get,
};

const TABLE: &str = include_str!("../../../../docs/http-cache-conformance.md");

/// Section, level, requirement and test of each row.
fn rows() -> Vec<[String; 4]> {
    let rows = TABLE.lines().filter(|line| line.starts_with('|') && line.ends_with("` |"));
    rows.map(|row| {
        let cells: Vec<String> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("not four cells: {cells:?}"))
    })
    .collect()
}

#[test]
fn each_row_has_a_test_and_each_test_a_row() {
    let tests: BTreeSet<String> =
        TESTS.iter().flat_map(|(file, names)| names.iter().map(move |name| format!("`{file}::{name}`"))).collect();
    let mut named = BTreeSet::new();
    for [section, level, requirement, test] in rows() {
        assert!(tests.contains(&test), "{section} {requirement}: there is no test {test}");
        assert!(named.insert(test.clone()), "{test} is in two rows");
        assert!(section.split_whitespace().next().is_some_and(|rfc| rfc.len() == 4 && rfc.parse::<u16>().is_ok()), "{section}");
        assert!(matches!(level.as_str(), "MUST" | "SHOULD" | "MAY"), "{test}: {level} is no level");
        assert!(!requirement.is_empty(), "{test} has no requirement");
    }
    let missing: Vec<_> = tests.difference(&named).collect();
    assert!(missing.is_empty(), "tests without a row: {missing:#?}");
    let lines = TABLE.lines().filter(|line| line.contains("::")).count();
    assert_eq!(lines, named.len(), "a line with a test is not a row");
}

async fn fails_without_an_edge(steps: [super::step::Step; 2]) {
    let stage = Stage::without_edge().await;
    let [one, two] = steps;
    stage.step(one).await;
    let judged = tokio::spawn(async move { stage.step(two).await }).await;
    assert!(judged.is_err(), "the stage took an origin for a cache");
}

#[tokio::test]
async fn an_origin_is_not_taken_for_a_cache() {
    let first = || get().asks(ok("max-age=60"));
    fails_without_an_edge([first(), get().cached()]).await;
    fails_without_an_edge([first(), get().generated(504)]).await;
    fails_without_an_edge([first(), get().cached_then_asks(plain())]).await;
    fails_without_an_edge([first(), get().confirmed_by(plain())]).await;
    fails_without_an_edge([first(), get().asks(plain()).status(304)]).await;
    fails_without_an_edge([first(), get().asks(plain()).body("other")]).await;
    fails_without_an_edge([first(), get().asks(plain()).has("x-a", "b")]).await;
    fails_without_an_edge([first(), get().asks(plain()).lacks("date")]).await;
    fails_without_an_edge([first(), get().asks(plain()).origin_got("via", "x")]).await;
    fails_without_an_edge([first(), get().with("X-A", "b").asks(plain()).origin_lacks("x-a")]).await;
    fails_without_an_edge([first(), get().asks_each(vec![plain(), plain()])]).await;
}

#[tokio::test]
async fn what_the_origin_says_is_what_the_client_sees() {
    let stage = Stage::without_edge().await;
    let early = plain().interim(103, &[("Link", "</a>")]).chunked(&[("X-Trailer", "late")]);
    let step = get().asks(early).check(|seen| {
        assert_eq!(seen.interim[0].get("link").as_deref(), Some("</a>"));
        assert_eq!(seen.content.trailers[0].1, "late");
    });
    stage.step(step).await;
}
