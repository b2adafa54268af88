//! Single figures that are no operations per second, each beside its target.

use std::borrow::Cow;

use comfy_table::Table;
use serde::Serialize;

/// One measured figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    bench: &'static str,
    figure: Cow<'static, str>,
    value: f64,
    unit: &'static str,
    at_most: Option<f64>,
    at_least: Option<f64>,
}

impl Figure {
    pub(super) fn new(bench: &'static str, figure: impl Into<Cow<'static, str>>, value: f64, unit: &'static str) -> Self {
        Self { bench, figure: figure.into(), value, unit, at_most: None, at_least: None }
    }

    pub(super) fn at_most(self, target: f64) -> Self {
        Self { at_most: Some(target), ..self }
    }

    pub(super) fn at_least(self, target: f64) -> Self {
        Self { at_least: Some(target), ..self }
    }

    /// `None` without a target.
    fn reached(&self) -> Option<bool> {
        let most = self.at_most.map(|target| self.value <= target);
        self.at_least.map(|target| self.value >= target).or(most)
    }

    fn target(&self) -> String {
        let most = self.at_most.map(|target| format!("at most {target}"));
        self.at_least.map(|target| format!("at least {target}")).or(most).unwrap_or_default()
    }
}

/// For people; nothing where there is none.
pub(super) fn print(figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.set_header(["bench", "figure", "measured", "unit", "target", ""]);
    for one in figures {
        let verdict = one.reached().map_or("", |reached| if reached { "reached" } else { "MISSED" });
        let numbers = [format!("{:.2}", one.value), one.unit.to_owned(), one.target(), verdict.to_owned()];
        table.add_row([one.bench.to_owned(), one.figure.clone().into_owned()].into_iter().chain(numbers));
    }
    println!("{table}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_held_against_its_target() {
        let of = |value| Figure::new("bench", "some", value, "x");
        assert_eq!((of(2.0).at_most(2.0).reached(), of(2.1).at_most(2.0).reached()), (Some(true), Some(false)));
        assert_eq!((of(2.0).at_least(2.0).reached(), of(1.9).at_least(2.0).reached()), (Some(true), Some(false)));
        assert_eq!((of(2.0).reached(), of(2.0).target()), (None, String::new()));
    }
}
