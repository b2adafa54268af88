//! One self-contained page.

use askama::Template;

use super::{
    chart,
    figures::{Headline, Phase, headlines, phases},
    story,
};
use crate::{
    check::{Outcome, Verdict},
    run::{Fault, Run},
};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    run: &'a Run,
    word: &'static str,
    verdict: String,
    sentences: Vec<String>,
    headlines: Vec<Headline>,
    timeline: String,
    kinds: Vec<(usize, String)>,
    phases: Vec<Phase>,
    checks: Vec<Row<'a>>,
    faults: &'a [Fault],
}

/// A check, its worst first.
struct Row<'a> {
    check: &'a Verdict,
    name: String,
    word: &'static str,
}

/// The page of a run.
///
/// # Errors
/// When the template cannot be written out, which no run brings about.
pub fn html(run: &Run) -> Result<String, askama::Error> {
    let mut checks: Vec<Row<'_>> = run.checks.iter().map(row).collect();
    checks.sort_by_key(|row| match row.check.outcome {
        Outcome::Fail => 0,
        Outcome::Undecided => 1,
        Outcome::Pass => 2,
        Outcome::Skipped => 3,
    });
    let kinds = chart::kinds(run).into_iter().enumerate().map(|(at, kind)| (at.min(chart::SHADES - 1), kind)).collect();
    let page = Page {
        run,
        word: story::word(run.grade()),
        verdict: story::verdict(run),
        sentences: story::sentences(run),
        headlines: headlines(run),
        timeline: chart::timeline(run),
        kinds,
        phases: phases(run),
        checks,
        faults: &run.faults,
    };
    page.render()
}

fn row(check: &Verdict) -> Row<'_> {
    let word = match check.outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Undecided => "undecided",
        Outcome::Skipped => "skipped",
    };
    Row { check, name: check.check.replace('_', " "), word }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::Violation,
        run::{Recovered, Recovery},
    };

    #[test]
    fn the_page_needs_nothing_else_and_shows_text_as_text() {
        let violation = Violation { what: "<script>alert(1)</script>".to_owned(), operations: vec!["a & b".to_owned()] };
        let checks = vec![Verdict::new("linearizable", Outcome::Pass, "1 of 2".to_owned(), vec![violation])];
        let faults = vec![Fault { name: "<kill>".to_owned(), target: "a\"b".to_owned(), from_ms: 1_000, ..Fault::default() }];
        let phases = Recovered { drained_ms: Some(4_321), replicas_ms: Some(1_234), ..Recovered::default() };
        let recovery = Some(Recovery { faults: vec![phases], windows: Vec::new() });
        let run = Run { name: "<drill>".to_owned(), length_ms: 5_000, checks, faults, recovery, ..Run::default() };
        let page = html(&run).unwrap();
        let tight: String = page.split_whitespace().collect();
        assert!(tight.contains(">-</td><tdclass=\"n\">4321ms</td><tdclass=\"n\">1234ms</td></tr>"), "{page}");
        assert!(page.contains("FAIL") && page.contains("Violated: linearizable."));
        assert!(!page.contains("<script>alert") && !page.contains("<drill>") && !page.contains("<kill>"), "{page}");
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "the page asks for {outside}");
        }
    }
}
