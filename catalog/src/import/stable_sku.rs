//! A SKU for a variant that came without one: the same for the same handle and option values, for ever.

use storefront_types::{MAX_SKU_BYTES, Sku};

/// `ocean-blue-shirt` or `classic-varsity-top:small`; what a SKU may not contain becomes `-`. Values that would run into each other or
/// past the longest SKU get a hash of the originals at the end.
pub(crate) fn stable_sku(handle: &str, values: &[&str]) -> Option<Sku> {
    let plain = |text: &str| -> String {
        let lower = text.trim().to_lowercase();
        lower.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
    };
    let mut name = plain(handle);
    for value in values {
        name.push(':');
        name.push_str(&plain(value));
    }
    let lossless = values.iter().all(|value| plain(value) == value.trim().to_lowercase() || !value.contains('-'));
    if name.len() > MAX_SKU_BYTES || !lossless {
        let original = [&[handle], values].concat().join("\u{1f}");
        let hash = blake3::hash(original.as_bytes()).to_hex();
        let room = MAX_SKU_BYTES - 17;
        let cut = (0..=room.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or_default();
        name.truncate(cut);
        name = format!("{name}:{}", &hash[..16]);
    }
    Sku::parse(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_stable_and_apart() {
        let sku = |values: &[&str]| stable_sku("classic-varsity-top", values).unwrap().to_string();
        assert_eq!(sku(&[]), "classic-varsity-top");
        assert_eq!(sku(&["Small"]), "classic-varsity-top:small");
        assert_eq!(sku(&["Dark blue", "3/4"]), "classic-varsity-top:dark-blue:3-4");
        assert_ne!(sku(&["dark-blue/x"]), sku(&["dark blue x"]));
        let long = stable_sku("h", &[&"ö".repeat(100)]).unwrap();
        assert!(long.as_str().len() <= MAX_SKU_BYTES);
        assert_eq!(long, stable_sku("h", &[&"ö".repeat(100)]).unwrap());
    }
}
