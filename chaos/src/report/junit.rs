//! JUnit XML, as CI servers read it: one test case a check.

use std::fmt::Write;

use super::chart::escape;
use crate::{check::Outcome, run::Run};

pub fn junit(run: &Run) -> String {
    let open = run.invalid.iter().chain(&run.aborted);
    let count = |outcome| run.checks.iter().filter(|check| check.outcome == outcome).count();
    let (failed, errors) = (count(Outcome::Fail), count(Outcome::Undecided) + open.clone().count());
    let (tests, seconds) = (run.checks.len() + open.clone().count(), run.length_ms as f64 / 1e3);
    let name = escape(&run.name);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" \
         errors=\"{errors}\" skipped=\"{}\" time=\"{seconds:.3}\" timestamp=\"{}\">\n",
        count(Outcome::Skipped),
        escape(&run.began_at),
    );
    for why in open {
        let _ = writeln!(xml, "<testcase classname=\"{name}\" name=\"valid\"><error message=\"{}\"/></testcase>", escape(why));
    }
    for check in &run.checks {
        let _ = write!(xml, "<testcase classname=\"{name}\" name=\"{}\">", escape(&check.check));
        let summary = escape(&check.summary);
        let _ = match check.outcome {
            Outcome::Pass => Ok(()),
            Outcome::Skipped => write!(xml, "<skipped message=\"{summary}\"/>"),
            Outcome::Undecided => write!(xml, "<error message=\"{summary}\"/>"),
            Outcome::Fail => {
                let told =
                    check.violations.iter().map(|violation| format!("{}\n{}", violation.what, violation.operations.join("\n")));
                let told: Vec<String> = told.collect();
                write!(xml, "<failure message=\"{summary}\">{}</failure>", escape(&told.join("\n\n")))
            }
        };
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Verdict, Violation};

    #[test]
    fn every_check_is_a_test_case() {
        let violation = Violation { what: "a < b".to_owned(), operations: vec!["purchase".to_owned()] };
        let checks = vec![
            Verdict::new("no_oversell", Outcome::Pass, "fine".to_owned(), Vec::new()),
            Verdict::new("linearizable", Outcome::Pass, "1 \"wrong\"".to_owned(), vec![violation]),
            Verdict::skipped("bounded_staleness", "nobody looked"),
        ];
        let xml = junit(&Run { name: "drill".to_owned(), checks, invalid: Some("no bite".to_owned()), ..Run::default() });
        assert!(xml.contains("tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("<failure message=\"1 &quot;wrong&quot;\">a &lt; b\npurchase</failure>"), "{xml}");
    }
}
