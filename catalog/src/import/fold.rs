//! Rows of one handle into one product. Pure.

use catalog_api::{Image, ProductOption, VariantOption};
use serde::Serialize;
use storefront_types::{Currency, Money, Sku};

use super::{
    draft::{Draft, DraftVariant},
    stable_sku::stable_sku,
};

/// One row, cells trimmed (also of no-break spaces) and empty ones left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) tags: Option<String>,
    /// Name and value of each option.
    pub(crate) options: [(Option<String>, Option<String>); 3],
    pub(crate) sku: Option<String>,
    pub(crate) quantity: Option<String>,
    pub(crate) price: Option<String>,
    pub(crate) compare_at: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) image_alt: Option<String>,
    pub(crate) variant_image: Option<String>,
}

/// A cell that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    pub(crate) line: u64,
    pub(crate) column: &'static str,
    pub(crate) reason: String,
}

/// A product, if anything of it was usable, and what was not.
#[derive(Clone, Debug)]
pub(crate) struct Folded {
    pub(crate) draft: Option<Draft>,
    pub(crate) refused: Vec<Refused>,
}

/// Longest handle; it stands in a URL and in a key.
const MAX_HANDLE_BYTES: usize = 255;

/// Variants of one product: Shopify's own limit is 2,048.
const MAX_VARIANTS: usize = 2_048;

pub(crate) fn fold(handle: &str, rows: &[Row], currency: Currency) -> Folded {
    let mut refused = Vec::new();
    let first = rows.first().map_or(0, |row| row.line);
    let usable = !handle.is_empty() && handle.len() <= MAX_HANDLE_BYTES && !handle.chars().any(|c| c.is_control() || c == '/');
    if !usable {
        let reason = format!("a handle has 1 to {MAX_HANDLE_BYTES} bytes and no '/'");
        return Folded { draft: None, refused: vec![Refused { line: first, column: "Handle", reason }] };
    }
    let Some(title) = rows.iter().find_map(|row| row.title.clone()) else {
        let reason = format!("no row of {handle:?} has a title");
        return Folded { draft: None, refused: vec![Refused { line: first, column: "Title", reason }] };
    };
    let names = option_names(rows);
    let variants = variants(handle, rows, &names, currency, &mut refused);
    if variants.is_empty() {
        let reason = format!("{handle:?} has no usable variant");
        refused.push(Refused { line: first, column: "Variant Price", reason });
        return Folded { draft: None, refused };
    }
    let text = |pick: fn(&Row) -> &Option<String>| rows.iter().find_map(|row| pick(row).clone());
    let draft = Draft {
        handle: handle.to_owned(),
        title,
        description: text(|row| &row.body).map(|body| ammonia::clean(&body)).unwrap_or_default(),
        vendor: text(|row| &row.vendor),
        category: text(|row| &row.category),
        tags: tags(text(|row| &row.tags).as_deref().unwrap_or_default()),
        options: options(&names, &variants),
        images: images(rows),
        variants,
    };
    Folded { draft: Some(draft), refused }
}

/// Names come with the first row. `Title` with the one value `Default Title` says that there are no options.
fn option_names(rows: &[Row]) -> Vec<String> {
    let named = |at: usize| rows.iter().find_map(|row| row.options[at].0.clone());
    let names: Vec<String> = (0..3).map_while(named).collect();
    let default = |row: &Row| row.options[0].1.as_deref().is_none_or(|value| value == "Default Title");
    if names.len() == 1 && names[0] == "Title" && rows.iter().all(default) { Vec::new() } else { names }
}

fn variants(handle: &str, rows: &[Row], names: &[String], currency: Currency, refused: &mut Vec<Refused>) -> Vec<DraftVariant> {
    let mut variants: Vec<DraftVariant> = Vec::new();
    for row in rows {
        // A row that carries only a picture has neither a price nor an option value.
        if row.price.is_none() && row.options[0].1.is_none() && row.sku.is_none() {
            continue;
        }
        match variant(handle, row, names, currency) {
            Ok(variant) if variants.iter().any(|known| known.sku == variant.sku) => {
                let reason = format!("{} is there twice; give each variant options or a SKU of its own", variant.sku);
                refused.push(Refused { line: row.line, column: "Variant SKU", reason });
            }
            Ok(_) if variants.len() == MAX_VARIANTS => {
                let reason = format!("a product has at most {MAX_VARIANTS} variants");
                refused.push(Refused { line: row.line, column: "Option1 Value", reason });
            }
            Ok(variant) => variants.push(variant),
            Err(refusal) => refused.push(refusal),
        }
    }
    variants
}

fn variant(handle: &str, row: &Row, names: &[String], currency: Currency) -> Result<DraftVariant, Refused> {
    let refuse = |column, reason: String| Refused { line: row.line, column, reason };
    let values: Vec<&str> = (0..names.len()).map(|at| row.options[at].1.as_deref().unwrap_or_default()).collect();
    if let Some(at) = values.iter().position(|value| value.is_empty()) {
        let column = ["Option1 Value", "Option2 Value", "Option3 Value"][at];
        return Err(refuse(column, format!("a variant needs a value for {:?}", names[at])));
    }
    let sku = match &row.sku {
        Some(text) => Sku::parse(text).map_err(|error| refuse("Variant SKU", error.to_string()))?,
        None => stable_sku(handle, &values).ok_or_else(|| refuse("Handle", "no SKU can be made of it".to_owned()))?,
    };
    let price = row.price.as_deref().ok_or_else(|| refuse("Variant Price", "a variant needs a price".to_owned()))?;
    let price = Money::parse_decimal(price, currency).map_err(|error| refuse("Variant Price", error.to_string()))?;
    let compare_at_price = row.compare_at.as_deref().map(|text| Money::parse_decimal(text, currency)).transpose();
    let compare_at_price = compare_at_price.map_err(|error| refuse("Variant Compare At Price", error.to_string()))?;
    let quantity = quantity(row.quantity.as_deref()).map_err(|reason| refuse("Variant Inventory Qty", reason))?;
    let options = names.iter().zip(&values);
    Ok(DraftVariant {
        sku,
        title: if values.is_empty() { "Default".to_owned() } else { values.join(" / ") },
        options: options.map(|(name, value)| VariantOption { name: name.clone(), value: (*value).to_owned() }).collect(),
        price,
        compare_at_price: compare_at_price.filter(|before| before.amount() > price.amount()),
        image: row.variant_image.clone().map(|src| Image { src, alt: None }),
        quantity,
    })
}

/// Exports may say less than nothing (oversold elsewhere); that is no stock.
fn quantity(text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else { return Ok(0) };
    let units: i64 = text.parse().map_err(|_| format!("{text:?} is not a whole number"))?;
    u32::try_from(units.max(0)).map_err(|_| format!("{text} units are too many"))
}

fn options(names: &[String], variants: &[DraftVariant]) -> Vec<ProductOption> {
    let option = |(at, name): (usize, &String)| {
        let mut values: Vec<String> = Vec::new();
        for value in variants.iter().filter_map(|variant| Some(variant.options.get(at)?.value.clone())) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        ProductOption { name: name.clone(), values }
    };
    names.iter().enumerate().map(option).collect()
}

fn images(rows: &[Row]) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for row in rows {
        let Some(src) = &row.image else { continue };
        if !images.iter().any(|known| known.src == *src) {
            images.push(Image { src: src.clone(), alt: row.image_alt.clone() });
        }
    }
    images
}

fn tags(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}
