//! A schedule written down as a file again, for whoever wants exactly those steps. Pure.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    file::parse,
    model::{Experiment, Step},
    time::show,
    wrong::Wrong,
};

impl Step {
    /// As a `[[step]]`.
    pub fn to_toml(&self) -> String {
        let (pick, mut text) = (&self.pick, String::from("[[step]]\n"));
        let _ = writeln!(text, "at = {:?}\nfault = {:?}\ntarget = {:?}", show(self.at), pick.entry.name, pick.target.to_string());
        if pick.entry.lasts() {
            let _ = writeln!(text, "for = {:?}", show(pick.time));
        }
        if !pick.parameters.is_empty() {
            let set: Vec<String> = pick.parameters.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let _ = writeln!(text, "set = {{ {} }}", set.join(", "));
        }
        let _ = writeln!(text, "proof = {:?}", pick.entry.proof());
        text
    }
}

impl Experiment {
    /// The same file with these steps in place of its own and of drawn ones.
    ///
    /// # Errors
    /// When the text is not the file that it was read from.
    pub fn with_steps(&self, steps: &[Step]) -> Result<String, toml::de::Error> {
        let mut table: toml::Table = toml::from_str(&self.text)?;
        for part in ["step", "random", "parameters"] {
            table.remove(part);
        }
        if let Some(head) = table.get_mut("experiment").and_then(toml::Value::as_table_mut) {
            head.insert("seed".to_owned(), toml::Value::Integer(i64::try_from(self.seed).unwrap_or(i64::MAX)));
        }
        let steps: Vec<String> = steps.iter().map(Step::to_toml).collect();
        Ok(format!("{table}\n{}", steps.join("\n")))
    }

    /// The same with so many shoppers a second.
    ///
    /// # Errors
    /// When no run has so many.
    pub fn at_rate(&self, rate: f64) -> Result<Self, Wrong> {
        let mut table: toml::Table = toml::from_str(&self.text).unwrap_or_default();
        let load = table.entry("load").or_insert_with(|| toml::Table::new().into());
        if let Some(load) = load.as_table_mut() {
            load.insert("rate".to_owned(), rate.into());
        }
        let read = parse("--rate", &table.to_string(), &BTreeMap::new())?;
        Ok(Self { seed: self.seed, ..read })
    }
}
