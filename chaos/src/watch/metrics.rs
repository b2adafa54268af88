//! The text that processes tell their metrics in, and what two of them come to. Pure.

use std::collections::BTreeMap;

/// Samples of one process that are read: a node has under 2,000; more are not looked at, and that is told.
const MAX_SAMPLES: usize = 50_000;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MetricsError {
    #[error("line {0} of the metrics is no sample")]
    Malformed(usize),
    #[error("more than {MAX_SAMPLES} samples")]
    TooMany,
}

/// One sample: a name, labels in order, a value.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// What a process told at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Reads the text format of Prometheus, version 0.0.4.
    pub fn parse(text: &str) -> Result<Self, MetricsError> {
        let mut samples = Vec::new();
        for (nth, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if samples.len() == MAX_SAMPLES {
                return Err(MetricsError::TooMany);
            }
            samples.push(sample(line).ok_or(MetricsError::Malformed(nth + 1))?);
        }
        Ok(Self(samples))
    }

    /// The sum of all samples of that name whose labels are as wanted; `None` where there is none.
    pub fn sum(&self, name: &str, wanted: impl Fn(&str, &str) -> bool, label: &str) -> Option<f64> {
        let empty = String::new();
        let of = self.0.iter().filter(|sample| sample.name == name);
        let mut of = of.filter(|sample| label.is_empty() || wanted(label, sample.labels.get(label).unwrap_or(&empty))).peekable();
        of.peek()?;
        Some(of.map(|sample| sample.value).sum())
    }

    /// The sum of a counter or gauge over all its labels.
    pub fn total(&self, name: &str) -> Option<f64> {
        self.sum(name, |_, _| true, "")
    }

    /// A histogram's buckets by their upper bound, over all labels that are wanted.
    fn buckets(&self, name: &str, wanted: &dyn Fn(&BTreeMap<String, String>) -> bool) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for sample in self.0.iter().filter(|sample| sample.name == name && wanted(&sample.labels)) {
            let Some(bound) = sample.labels.get("le").and_then(|bound| number(bound)) else { continue };
            match buckets.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((bound, sample.value)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// `name value`, or `name{label="value",...} value`, each with a time behind it or without.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = number(rest.split_whitespace().next()?)?;
    (!name.is_empty()).then(|| Sample { name: name.to_owned(), labels, value })
}

/// Labels, and what follows the bracket that ends them.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (mut value, mut characters) = (String::new(), rest.char_indices());
        let end = loop {
            match characters.next()? {
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (at, '"') => break at + 1,
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.trim().to_owned(), value);
        text = &rest[end..];
    }
}

/// How much a counter grew. One that became smaller began anew with its process.
pub(super) fn grown(before: Option<f64>, now: Option<f64>) -> f64 {
    let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
    if now >= before { now - before } else { now }
}

/// Observations that fell into each bucket between two moments, not summed up, by upper bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observed(Vec<(f64, f64)>);

impl Observed {
    pub(super) fn between(
        before: &Samples,
        now: &Samples,
        name: &str,
        wanted: &dyn Fn(&BTreeMap<String, String>) -> bool,
    ) -> Self {
        let (before, now) = (before.buckets(name, wanted), now.buckets(name, wanted));
        let count_before = |bound: f64| before.iter().find(|(known, _)| known.total_cmp(&bound).is_eq()).map(|(_, count)| *count);
        // Where one became smaller the process began anew, and all of them with it.
        let began_anew = now.iter().any(|(bound, count)| count_before(*bound).is_some_and(|before| before > *count));
        // Buckets are cumulative.
        let mut below = 0.0;
        let mut fell = Vec::new();
        for (bound, count) in now {
            let up_to = if began_anew { count } else { grown(count_before(bound), Some(count)) };
            fell.push((bound, (up_to - below).max(0.0)));
            below = up_to.max(below);
        }
        Self(fell)
    }

    /// The same with those of another process.
    pub(super) fn with(mut self, other: &Self) -> Self {
        for (bound, count) in &other.0 {
            match self.0.iter_mut().find(|(known, _)| known.total_cmp(bound).is_eq()) {
                Some((_, own)) => *own += count,
                None => self.0.push((*bound, *count)),
            }
        }
        self.0.sort_by(|a, b| a.0.total_cmp(&b.0));
        self
    }

    /// Where that share of the observations lies, as if they were spread evenly in their bucket; what is above the last bound is at it.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let all: f64 = self.0.iter().map(|(_, count)| count).sum();
        if all <= 0.0 {
            return None;
        }
        let (rank, mut below, mut lower) = (share * all, 0.0, 0.0);
        for (bound, count) in &self.0 {
            if below + count >= rank && *count > 0.0 {
                return Some(if bound.is_finite() { lower + (bound - lower) * (rank - below) / count } else { lower });
            }
            below += count;
            lower = *bound;
        }
        Some(lower)
    }
}

/// A sample as a number of things; a negative one is none.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end")]
pub(crate) fn whole(sample: f64) -> u64 {
    sample as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# HELP a b\n# TYPE hits counter\nhits{route=\"/a\",status=\"200\"} 3\nhits{status=\"503\",route=\"/a \\\"b\\\"\"} 2\n\
        up 1 1700000000\nlate_bucket{le=\"0.1\"} 90\nlate_bucket{le=\"0.2\"} 99\nlate_bucket{le=\"+Inf\"} 100\n";

    #[test]
    fn samples_are_read_with_their_labels() {
        let samples = Samples::parse(TEXT).unwrap();
        assert_eq!((samples.total("hits"), samples.total("up"), samples.total("hit")), (Some(5.0), Some(1.0), None));
        assert_eq!(samples.sum("hits", |_, status| status.starts_with('5'), "status"), Some(2.0));
        assert_eq!(samples.sum("hits", |_, route| route == "/a \"b\"", "route"), Some(2.0));
        assert_eq!(Samples::parse("a 1\nb{c=\"d} 1\n"), Err(MetricsError::Malformed(2)));
        assert_eq!(Samples::parse("a one\n"), Err(MetricsError::Malformed(1)));
    }

    #[test]
    fn quantiles_are_of_what_came_between() {
        let before = Samples::parse(TEXT).unwrap();
        let now = TEXT.replace("} 99", "} 199").replace("} 100", "} 200");
        let now = Samples::parse(&now).unwrap();
        let observed = Observed::between(&before, &now, "late", &|_| true);
        assert_eq!(observed.quantile(0.5), Some(0.1 + 0.1 * 0.5), "all hundred are between 0.1 and 0.2");
        assert_eq!(Observed::between(&now, &now, "late", &|_| true).quantile(0.5), None, "nothing came");
        let restarted = Observed::between(&now, &before, "late", &|_| true);
        assert_eq!(restarted.quantile(0.5).map(|at| at < 0.1), Some(true), "what a new process counted so far");
        assert_eq!(observed.clone().with(&restarted).0.iter().map(|(_, count)| count).sum::<f64>(), 200.0);
        assert_eq!(observed.quantile(1.0), Some(0.2));
    }

    proptest! {
        /// Whatever a process says: it is read or refused, and nothing is counted below zero.
        #[test]
        fn no_text_breaks_it(text in "[a-c_]{0,4}[{]?[a-z=\",\\\\}]{0,12} ?[0-9.+Inf-]{0,6}\n?") {
            if let Ok(samples) = Samples::parse(&text) {
                let observed = Observed::between(&samples, &samples, "a", &|_| true);
                prop_assert!(observed.0.iter().all(|(_, count)| *count >= 0.0 || count.is_nan()));
            }
        }

        #[test]
        fn counters_never_shrink(before in 0.0..1e9_f64, now in 0.0..1e9_f64) {
            prop_assert!(grown(Some(before), Some(now)) >= 0.0);
        }
    }
}
