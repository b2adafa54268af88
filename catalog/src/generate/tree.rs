//! The category tree that products are hung into.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::words::SHOP;

/// A leaf: its path, and nouns for what is sold there.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) path: String,
    pub(super) nouns: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Category {
    path: Vec<Named>,
}

/// The shop's own tree, or one from a file: a JSON list of objects with `path: [{"name"}]`.
pub(super) fn branches(file: Option<&Path>) -> anyhow::Result<Vec<Branch>> {
    let Some(file) = file else {
        let own = |(path, nouns): &(&str, &[&str])| Branch {
            path: (*path).to_owned(),
            nouns: nouns.iter().map(|noun| (*noun).to_owned()).collect(),
        };
        return Ok(SHOP.iter().map(own).collect());
    };
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let categories: Vec<Category> =
        serde_json::from_slice(&text).with_context(|| format!("{} is no list of categories with paths", file.display()))?;
    ensure!(!categories.is_empty(), "{} has no category", file.display());
    let branch = |category: Category| {
        let names: Vec<String> = category.path.into_iter().map(|named| named.name.replace('>', "-")).collect();
        let noun = names.last().cloned().unwrap_or_else(|| "Thing".to_owned());
        Branch { path: names.join(" > "), nouns: vec![noun] }
    };
    Ok(categories.into_iter().map(branch).collect())
}
