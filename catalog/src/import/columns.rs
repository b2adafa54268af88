//! Column names of both generations of Shopify's product export.

use csv::StringRecord;

macro_rules! columns {
    ($($(#[$doc:meta])* $field:ident: $($name:literal)|+;)*) => {
        /// Where each column stands, if the file has it.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Columns { $($(#[$doc])* pub(crate) $field: Option<usize>,)* }

        impl Columns {
            fn set(&mut self, name: &str, at: usize) -> bool {
                match name {
                    $($($name)|+ => self.$field = self.$field.or(Some(at)),)*
                    _ => return false,
                }
                true
            }
        }
    };
}

columns! {
    handle: "handle" | "url handle";
    title: "title";
    body: "body (html)" | "description";
    vendor: "vendor";
    category: "product category" | "google shopping / google product category";
    kind: "type";
    tags: "tags";
    option1_name: "option1 name";
    option1_value: "option1 value";
    option2_name: "option2 name";
    option2_value: "option2 value";
    option3_name: "option3 name";
    option3_value: "option3 value";
    sku: "variant sku" | "sku";
    quantity: "variant inventory qty" | "inventory quantity";
    price: "variant price" | "price";
    compare_at: "variant compare at price" | "compare-at price" | "compare at price";
    image: "image src" | "product image url";
    image_alt: "image alt text";
    variant_image: "variant image" | "variant image url";
}

/// Columns that exports have and this catalog has no use for; they are not worth a word.
const IGNORED: [&str; 27] = [
    "published",
    "published on online store",
    "status",
    "variant grams",
    "weight value (grams)",
    "variant inventory tracker",
    "inventory tracker",
    "variant inventory policy",
    "continue selling when out of stock",
    "variant fulfillment service",
    "fulfillment service",
    "variant requires shipping",
    "requires shipping",
    "variant taxable",
    "charge tax",
    "variant barcode",
    "barcode",
    "image position",
    "gift card",
    "seo title",
    "seo description",
    "variant weight unit",
    "weight unit for display",
    "variant tax code",
    "tax code",
    "cost per item",
    "option1 linked to",
];

impl Columns {
    /// Finds the columns by name, in any order and case. The second part: columns that are not known.
    pub(crate) fn find(header: &StringRecord) -> (Self, Vec<String>) {
        let (mut columns, mut unknown) = (Self::default(), Vec::new());
        for (at, name) in header.iter().enumerate() {
            let name = name.trim_start_matches('\u{feff}').replace('\u{a0}', " ");
            let plain = name.trim().to_lowercase();
            let of_google = plain.starts_with("google shopping / ") || plain.ends_with("linked to");
            if !columns.set(&plain, at) && !of_google && !IGNORED.contains(&plain.as_str()) {
                unknown.push(name.trim().to_owned());
            }
        }
        (columns, unknown)
    }
}
