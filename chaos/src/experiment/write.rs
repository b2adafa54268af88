//! A schedule written down as a file again, for whoever wants exactly those steps. Pure.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    file::parse,
    model::{Experiment, Load, Step},
    time::show,
    wrong::Wrong,
};

/// TOML's numbers are signed.
fn whole(seed: u64) -> i64 {
    i64::try_from(seed).unwrap_or(i64::MAX)
}

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
        if let Some(seed) = self.seed {
            let _ = writeln!(text, "seed = {}", whole(seed));
        }
        text
    }
}

impl Experiment {
    /// The same file with these steps in place of its own and of drawn ones, and with the name, the seed and the load that this has.
    ///
    /// # Errors
    /// When the text is not the file that it was read from.
    pub fn with_steps(&self, steps: &[Step]) -> Result<String, toml::de::Error> {
        let mut table: toml::Table = toml::from_str(&self.text)?;
        for part in ["step", "random"] {
            table.remove(part);
        }
        // Those that stand elsewhere stay.
        if let Some(toml::Value::Table(mut parameters)) = table.remove("parameters") {
            let rest = table.to_string();
            parameters.retain(|name, _| rest.contains(&format!("{{{name}}}")));
            if !parameters.is_empty() {
                table.insert("parameters".to_owned(), toml::Value::Table(parameters));
            }
        }
        if let Some(head) = table.get_mut("experiment").and_then(toml::Value::as_table_mut) {
            head.insert("name".to_owned(), toml::Value::String(self.name.clone()));
            head.insert("seed".to_owned(), toml::Value::Integer(whole(self.seed)));
        }
        let load = table.entry("load").or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let toml::Value::Table(load) = load {
            let Load { rate, deals, node_reads, .. } = self.load;
            for (name, value) in [("rate", rate), ("deals", deals), ("node_reads", node_reads)] {
                load.insert(name.to_owned(), toml::Value::Float(value));
            }
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
