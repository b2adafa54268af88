//! `catalog generate`: a realistic catalog of any size as a product export; the same seed writes the same bytes.

mod tree;
mod words;

use std::{fs::File, io::Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::config::GenerateArgs;
use tree::{Branch, branches};
use words::{ADJECTIVES, COLOURS, MAKERS, MATERIALS, SIZES};

const HEADER: [&str; 18] = [
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Product Category",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Variant SKU",
    "Variant Inventory Qty",
    "Variant Price",
    "Variant Compare At Price",
    "Image Src",
    "Image Position",
    "Image Alt Text",
];

pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<u8> {
    let branches = branches(args.categories.as_deref())?;
    match &args.out {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            write(file, args, &branches)?;
        }
        None => write(std::io::stdout().lock(), args, &branches)?,
    }
    Ok(0)
}

fn write(out: impl Write, args: &GenerateArgs, branches: &[Branch]) -> anyhow::Result<()> {
    let progress = ProgressBar::new(u64::from(args.products));
    progress.set_style(ProgressStyle::with_template("{wide_msg} {pos}/{len} {bar:30}")?);
    progress.set_message("generating products");
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(HEADER)?;
    for number in 1..=args.products {
        for row in product(number, &mut random, branches) {
            csv.write_record(&row)?;
        }
        progress.inc(1);
    }
    csv.flush()?;
    progress.finish_and_clear();
    Ok(())
}

/// One product as rows: most have one variant, some come in sizes, some in sizes and colours.
fn product(number: u32, random: &mut ChaCha8Rng, branches: &[Branch]) -> Vec<[String; 18]> {
    let pick = |random: &mut ChaCha8Rng, of: &[&'static str]| -> &'static str { of.choose(random).copied().unwrap_or_default() };
    let branch = &branches[random.random_range(0..branches.len())];
    let noun = &branch.nouns[random.random_range(0..branch.nouns.len())];
    let (adjective, material) = (pick(random, &ADJECTIVES), pick(random, &MATERIALS));
    let maker = pick(random, &MAKERS);
    let title = format!("{adjective} {material} {noun}");
    let handle = format!("{}-{number}", title.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-"));
    let body = format!(
        "<p>{adjective} {} in {}, made by {maker}.</p>\n<ul><li>Made to be repaired</li><li>Packed without plastic</li></ul>",
        noun.to_lowercase(),
        material.to_lowercase(),
    );
    let sizes: &[&str] = if random.random_ratio(2, 5) { &SIZES[..random.random_range(2..=SIZES.len())] } else { &[] };
    let colours: Vec<&str> = if random.random_ratio(1, 4) { COLOURS.sample(random, 2).copied().collect() } else { Vec::new() };
    let base: u32 = random.random_range(4..240) * 100 + 95;
    let sale = random.random_ratio(1, 6);
    let tags = format!("{}, {}", material.to_lowercase(), adjective.to_lowercase());
    let mut rows = Vec::new();
    for (step, (option1, option2)) in variants(sizes, &colours).into_iter().enumerate() {
        let price = base + 500 * u32::try_from(step / colours.len().max(1)).unwrap_or_default();
        let first = step == 0;
        let once = |text: &str| if first { text.to_owned() } else { String::new() };
        rows.push([
            handle.clone(),
            once(&title),
            once(&body),
            once(maker),
            once(&branch.path),
            once(&tags),
            once("true"),
            once(&option1.0),
            option1.1,
            once(&option2.0),
            option2.1,
            String::new(),
            random.random_range(0..120_u32).to_string(),
            decimal(price),
            if sale { decimal(price + price / 4) } else { String::new() },
            once(&format!("/images/{handle}.svg")),
            once("1"),
            once(&title),
        ]);
    }
    rows
}

type NamedValue = (String, String);

fn variants(sizes: &[&str], colours: &[&str]) -> Vec<(NamedValue, NamedValue)> {
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let none = || (String::new(), String::new());
    match (sizes, colours) {
        ([], []) => vec![(named("Title", "Default Title"), none())],
        (sizes, []) => sizes.iter().map(|size| (named("Size", size), none())).collect(),
        ([], colours) => colours.iter().map(|colour| (named("Colour", colour), none())).collect(),
        (sizes, colours) => {
            let of =
                |size: &&str| colours.iter().map(|colour| (named("Size", size), named("Colour", colour))).collect::<Vec<_>>();
            sizes.iter().flat_map(of).collect()
        }
    }
}

fn decimal(minor: u32) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
