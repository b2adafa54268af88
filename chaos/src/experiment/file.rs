//! The file as it is written, and what it means. Nothing that is not known is passed over.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    bound::{abort, at_most, did_you_mean, invariant, share},
    model::{Abort, AbortWhen, Expect, Experiment, Invariant, LONGEST_RUN, Load, Pick, Random, Sale, Steady, Step},
    time::{show, time},
    wrong::{Wrong, line},
};
use crate::fault::{CATALOG, Entry, Fault, Target};

type Text = Spanned<String>;

/// Longest file, and most steps of one: more is no experiment that a person reads.
const MAX_FILE_BYTES: usize = 256 * 1024;
const MAX_STEPS: usize = 500;

/// Names of what `cargo deploy up --topology` knows.
pub(super) const TOPOLOGIES: [&str; 3] = ["three-regions", "one-region", "ha"];

/// Without a word on it: shoppers and clients that one busy machine serves in a debug build, and times that drills are used to.
pub(super) const DEFAULT_RATE: f64 = 4.0;
pub(super) const DEFAULT_DEALS: f64 = 8.0;
pub(super) const DEFAULT_LEASE: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// Requests a second that one generator makes.
const MOST_RATE: f64 = 10_000.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    experiment: Head,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    load: LoadPart,
    steady: SteadyPart,
    #[serde(default, rename = "step")]
    steps: Vec<Spanned<StepPart>>,
    random: Option<RandomPart>,
    #[serde(default)]
    abort: AbortPart,
    expect: ExpectPart,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: Text,
    hypothesis: String,
    #[serde(default)]
    seed: u64,
    topology: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadPart {
    rate: Option<Spanned<f64>>,
    deals: Option<Spanned<f64>>,
    node_reads: Option<Spanned<f64>>,
    sale: Option<Spanned<SalePart>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SalePart {
    units: u32,
    shoppers: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SteadyPart {
    window: Text,
    checkout_success: Option<Text>,
    p99_ms: Option<Text>,
    #[serde(default)]
    replicas_level: bool,
    again_within: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepPart {
    at: Option<Text>,
    seed: Option<Spanned<u64>>,
    fault: Text,
    target: Text,
    #[serde(rename = "for")]
    time: Option<Text>,
    #[serde(default)]
    set: BTreeMap<String, i64>,
    proof: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RandomPart {
    #[serde(rename = "for")]
    time: Text,
    every: Text,
    pick: Vec<Spanned<StepPart>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AbortPart {
    any: Option<Vec<Text>>,
    lease: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectPart {
    rto_s: Option<Spanned<f64>>,
    #[serde(default)]
    rpo_ops: u64,
    max_unavailable_s: Option<Spanned<f64>>,
    invariants: Vec<Text>,
}

/// Reads a file; `given` are parameters of it in place of their defaults.
pub fn read(path: &Path, given: &BTreeMap<String, String>) -> Result<Experiment, Wrong> {
    let unreadable = |source| Wrong::Unreadable { file: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&path.display().to_string(), &text, given)
}

/// `name`: of the file, for messages.
pub fn parse(name: &str, text: &str, given: &BTreeMap<String, String>) -> Result<Experiment, Wrong> {
    if text.len() > MAX_FILE_BYTES {
        return Err(Wrong::at(name, "", &(0..0), format!("an experiment has up to {MAX_FILE_BYTES} bytes")));
    }
    let file: File = toml::from_str(text).map_err(|error| Wrong::of_parser(name, text, &error))?;
    let mut parameters = file.parameters.clone();
    for (parameter, value) in given {
        let Some(known) = parameters.get_mut(parameter) else {
            let allowed = file.parameters.keys().cloned().collect();
            return Err(Wrong::NoParameter { file: name.to_owned(), name: parameter.clone(), allowed });
        };
        known.clone_from(value);
    }
    Reader { name, text, parameters }.experiment(file)
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    parameters: BTreeMap<String, String>,
}

type Read<T> = Result<T, Wrong>;

impl Reader<'_> {
    fn wrong(&self, span: std::ops::Range<usize>, what: impl ToString) -> Wrong {
        Wrong::at(self.name, self.text, &span, what)
    }

    /// What `read` makes of a text with its parameters, or where it is wrong.
    fn of<T, E: ToString>(&self, text: &Text, read: impl FnOnce(&str) -> Result<T, E>) -> Read<T> {
        let filled = self.filled(text.get_ref()).map_err(|what| self.wrong(text.span(), what))?;
        read(&filled).map_err(|error| self.wrong(text.span(), error.to_string()))
    }

    fn one_of(&self, text: &Text, what: &str, allowed: &[&str]) -> Read<()> {
        self.of(text, |word| {
            let known = allowed.join(", ");
            let meant = did_you_mean(word, &known);
            if allowed.contains(&word) { Ok(()) } else { Err(format!("there is no {what} {word:?}{meant}; there are {known}")) }
        })
    }

    fn time(&self, text: Option<&Text>, default: Duration) -> Read<Duration> {
        text.map_or(Ok(default), |text| self.of(text, time))
    }

    fn some_time(&self, text: &Text, what: &str) -> Read<Duration> {
        let found = self.of(text, time)?;
        if found.is_zero() { Err(self.wrong(text.span(), format!("{what} is longer than nothing"))) } else { Ok(found) }
    }

    fn experiment(&self, file: File) -> Read<Experiment> {
        let topology = file.experiment.topology.as_ref();
        topology.map_or(Ok(()), |name| self.one_of(name, "topology", &TOPOLOGIES))?;
        let name = self.of(&file.experiment.name, |name| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let fine = !name.is_empty() && name.len() <= 60 && name.bytes().all(plain);
            fine.then(|| name.to_owned()).ok_or("a name has letters, digits, '-' and '_', at most 60")
        })?;
        if file.steps.len() > MAX_STEPS {
            return Err(self.wrong(file.steps[MAX_STEPS].span(), format!("an experiment has up to {MAX_STEPS} steps")));
        }
        let steps = file.steps.iter().map(|step| self.step(step)).collect::<Read<Vec<Step>>>()?;
        let random = file.random.as_ref().map(|random| self.random(random)).transpose()?;
        if steps.is_empty() && random.is_none() {
            return Err(self.wrong(0..0, "nothing is broken: say what in a [[step]], or in [random]"));
        }
        let (load, steady) = (self.load(&file.load)?, self.steady(&file.steady)?);
        self.fits(&file, &steps, random.as_ref(), (&load, &steady))?;
        let mut steps = steps;
        steps.sort_by_key(|step| step.at);
        Ok(Experiment {
            name,
            hypothesis: file.experiment.hypothesis.clone(),
            seed: file.experiment.seed,
            topology: topology.map_or(TOPOLOGIES[0].to_owned(), |name| name.get_ref().clone()),
            load,
            steady,
            steps,
            random,
            abort: self.abort(&file.abort)?,
            expect: self.expect(&file.expect)?,
            text: self.text.to_owned(),
        })
    }

    /// A run ends before the load does, however long its gate and its recovery take.
    fn fits(&self, file: &File, steps: &[Step], random: Option<&Random>, (load, steady): (&Load, &Steady)) -> Read<()> {
        let around = steady.gate_within() + steady.recovery_within();
        let check = |span: std::ops::Range<usize>, takes: Duration| match around + takes <= LONGEST_RUN {
            true => Ok(()),
            false => Err(self.wrong(
                span,
                format!(
                    "a run is up to {}; with the gate and the recovery this may take {}",
                    show(LONGEST_RUN),
                    show(Duration::from_secs((around + takes).as_secs()))
                ),
            )),
        };
        check(file.steady.window.span(), Duration::ZERO)?;
        for (part, step) in file.steps.iter().zip(steps) {
            check(part.span(), step.at + step.pick.time)?;
        }
        if let (Some(part), Some(random)) = (&file.random, random) {
            check(part.time.span(), random.time)?;
        }
        file.load.sale.as_ref().map_or(Ok(()), |sale| check(sale.span(), load.sale_time()))
    }

    fn load(&self, of: &LoadPart) -> Read<Load> {
        let rate = |given: Option<&Spanned<f64>>, default: f64, least: f64| {
            let Some(given) = given else { return Ok(default) };
            let is_fine = (least..=MOST_RATE).contains(given.get_ref());
            is_fine
                .then_some(*given.get_ref())
                .ok_or_else(|| self.wrong(given.span(), format!("it may be {least} to {MOST_RATE} a second")))
        };
        let sale = of.sale.as_ref().map(|sale| {
            let SalePart { units, shoppers } = *sale.get_ref();
            let fine = units > 0 && shoppers > 0;
            fine.then_some(Sale { units, shoppers }).ok_or_else(|| self.wrong(sale.span(), "a sale has units and shoppers"))
        });
        Ok(Load {
            rate: rate(of.rate.as_ref(), DEFAULT_RATE, 0.1)?,
            deals: rate(of.deals.as_ref(), DEFAULT_DEALS, 0.1)?,
            node_reads: rate(of.node_reads.as_ref(), 0.0, 0.0)?,
            sale: sale.transpose()?,
        })
    }

    fn steady(&self, of: &SteadyPart) -> Read<Steady> {
        Ok(Steady {
            window: self.some_time(&of.window, "a window")?,
            checkout_success_ppm: of.checkout_success.as_ref().map(|text| self.of(text, share)).transpose()?,
            p99_ms: of.p99_ms.as_ref().map(|text| self.of(text, at_most)).transpose()?,
            replicas_level: of.replicas_level,
            again_within: self.time(of.again_within.as_ref(), DEFAULT_AGAIN_WITHIN)?,
        })
    }

    fn step(&self, of: &Spanned<StepPart>) -> Read<Step> {
        let part = of.get_ref();
        let Some(at) = &part.at else {
            return Err(self.wrong(of.span(), "a step says `at` which time it begins, as at = \"10s\""));
        };
        let seed = part.seed.as_ref().map(|seed| *seed.get_ref());
        Ok(Step { line: line(self.text, of.span().start), at: self.of(at, time)?, seed, pick: self.pick(of)? })
    }

    fn pick(&self, of: &Spanned<StepPart>) -> Read<Pick> {
        let StepPart { fault: name, target, time, set, proof, .. } = of.get_ref();
        self.one_of(name, "fault", &CATALOG.map(|entry| entry.name))?;
        let entry = self.of(name, Entry::named)?;
        let fault = Fault::parse(entry.name, set).map_err(|error| self.wrong(of.span(), error))?;
        let target = self.of(target, |text| text.parse::<Target>())?;
        let length = match (time, entry.lasts()) {
            (Some(time), true) => self.some_time(time, "a fault")?,
            (Some(time), false) => {
                return Err(self.wrong(time.span(), format!("{} takes what it takes; there is no `for`", entry.name)));
            }
            (None, true) => return Err(self.wrong(of.span(), format!("{} says `for` how long, as for = \"10s\"", entry.name))),
            (None, false) => Duration::ZERO,
        };
        if let Some(proof) = proof {
            self.of(proof, |word| match word == entry.proof() {
                true => Ok(()),
                false => Err(format!("{word:?} does not prove {}; its proof is {:?}", entry.name, entry.proof())),
            })?;
        }
        Ok(Pick { entry, parameters: set.clone(), fault, target, time: length })
    }

    /// With `{parameter}` replaced.
    fn filled(&self, text: &str) -> Result<String, String> {
        let mut filled = text.to_owned();
        for (name, value) in &self.parameters {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        let known = || self.parameters.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        if filled.contains(['{', '}']) {
            Err(format!("{text:?} has a parameter that is none; [parameters] has {}", known()))
        } else {
            Ok(filled)
        }
    }

    fn random(&self, of: &RandomPart) -> Read<Random> {
        let picks = of.pick.iter().map(|pick| match pick.get_ref() {
            StepPart { at: Some(at), .. } => Err(self.wrong(at.span(), "when is drawn; there is no `at` here")),
            StepPart { seed: Some(seed), .. } => Err(self.wrong(seed.span(), "it is the experiment's; there is no `seed` here")),
            _ => self.pick(pick),
        });
        let (time, every) = (self.some_time(&of.time, "[random]")?, self.some_time(&of.every, "`every`")?);
        if time.as_millis() / every.as_millis() > MAX_STEPS as u128 {
            return Err(self.wrong(of.every.span(), format!("that is over {MAX_STEPS} faults in {}", show(time))));
        }
        let picks = picks.collect::<Read<Vec<Pick>>>()?;
        if picks.is_empty() {
            Err(self.wrong(of.time.span(), "[[random.pick]] has nothing to draw from"))
        } else {
            Ok(Random { time, every, picks })
        }
    }

    fn abort(&self, of: &AbortPart) -> Read<Abort> {
        let any = match &of.any {
            Some(any) => any.iter().map(|text| self.of(text, abort)).collect::<Read<Vec<AbortWhen>>>()?,
            None => vec![AbortWhen::InvariantViolated, AbortWhen::Operator],
        };
        let lease = self.time(of.lease.as_ref(), DEFAULT_LEASE)?;
        let longest = deploy_api::MAX_LEASE;
        match &of.lease {
            Some(text) if lease.is_zero() || lease > longest => {
                Err(self.wrong(text.span(), format!("a lease is up to {}", show(longest))))
            }
            _ => Ok(Abort { any, lease }),
        }
    }

    fn expect(&self, of: &ExpectPart) -> Read<Expect> {
        let seconds = |given: &Spanned<f64>| {
            let fine = given.get_ref().is_finite() && (0.0..=43_200.0).contains(given.get_ref());
            let ms = fine.then(|| Duration::from_secs_f64(*given.get_ref()).as_millis());
            ms.and_then(|ms| u64::try_from(ms).ok()).ok_or_else(|| self.wrong(given.span(), "seconds are 0 to 43200"))
        };
        Ok(Expect {
            rto_ms: of.rto_s.as_ref().map(seconds).transpose()?,
            rpo_ops: of.rpo_ops,
            max_unavailable_ms: of.max_unavailable_s.as_ref().map(seconds).transpose()?,
            invariants: of.invariants.iter().map(|text| self.of(text, invariant)).collect::<Read<Vec<Invariant>>>()?,
        })
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
