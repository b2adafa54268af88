//! Everything that is served, in memory. Works while PostgreSQL is away, and says how old it is.

use std::collections::{BTreeMap, HashMap};

use catalog_api::{Category, Image, ListItem, PriceQuote, Product, ProductOption, Variant, VariantOption, VariantStock};
use storefront_types::{Money, ProductId, Sku};
use time::OffsetDateTime;

/// A product as the database has it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: ProductId,
    pub(crate) handle: String,
    /// Order of first import; the higher, the newer.
    pub(crate) position: i64,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) vendor: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) options: Vec<ProductOption>,
    pub(crate) images: Vec<Image>,
    pub(crate) variants: Vec<StoredVariant>,
    /// Lower-case text that a search looks into.
    pub(crate) haystack: String,
}

#[derive(Clone, Debug)]
pub(crate) struct StoredVariant {
    pub(crate) sku: Sku,
    pub(crate) title: String,
    pub(crate) options: Vec<VariantOption>,
    pub(crate) price: Money,
    pub(crate) compare_at_price: Option<Money>,
    pub(crate) image: Option<Image>,
}

/// Stock of a SKU as last heard from the inventory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) version: u64,
    pub(crate) available: u64,
    pub(crate) as_of: OffsetDateTime,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) products: BTreeMap<ProductId, Stored>,
    by_handle: HashMap<String, ProductId>,
    by_sku: HashMap<Sku, ProductId>,
    stock: HashMap<Sku, Heard>,
    /// When the inventory was last known to have nothing newer.
    pub(crate) stock_as_of: Option<OffsetDateTime>,
}

impl Stored {
    pub(crate) fn price(&self) -> Option<Money> {
        self.variants.iter().map(|variant| variant.price).min_by_key(|price| price.amount())
    }

    /// Names from the root; exports write `A > B`.
    pub(crate) fn category_path(&self) -> Vec<&str> {
        self.category.iter().flat_map(|path| path.split('>')).map(str::trim).filter(|name| !name.is_empty()).collect()
    }
}

/// `home-garden/lamps` for `["Home & Garden", "Lamps"]`.
pub(crate) fn slug(path: &[&str]) -> String {
    let plain = |name: &&str| -> String {
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
    };
    path.iter().map(plain).collect::<Vec<_>>().join("/")
}

impl Model {
    /// Puts a product in, or out when it is gone.
    pub(crate) fn put(&mut self, id: ProductId, product: Option<Stored>) {
        if let Some(before) = self.products.remove(&id) {
            self.by_handle.remove(&before.handle);
            for variant in &before.variants {
                self.by_sku.remove(&variant.sku);
            }
        }
        let Some(product) = product else { return };
        self.by_handle.insert(product.handle.clone(), id);
        for variant in &product.variants {
            self.by_sku.insert(variant.sku.clone(), id);
        }
        self.products.insert(id, product);
    }

    /// Takes a change of stock. Gives the product it belongs to when it sold out by it, came back, or was not heard of before: lists say
    /// whether there is any, and how many units there are, edges put into a product's answer by themselves.
    pub(crate) fn hear(&mut self, sku: &Sku, heard: Heard) -> Option<ProductId> {
        if self.stock.get(sku).is_some_and(|before| before.version >= heard.version) {
            return None;
        }
        let product = self.by_sku.get(sku).copied();
        let before = product.and_then(|id| self.has_any(id));
        self.stock.insert(sku.clone(), heard);
        product.filter(|id| self.has_any(*id) != before)
    }

    /// Whether any unit of a product is available; `None` when nothing was heard of it.
    fn has_any(&self, id: ProductId) -> Option<bool> {
        self.available(self.products.get(&id)?).map(|units| units > 0)
    }

    pub(crate) fn find(&self, id_or_handle: &str) -> Option<&Stored> {
        let by_id = id_or_handle.parse().ok().and_then(|id| self.products.get(&id));
        by_id.or_else(|| self.products.get(self.by_handle.get(id_or_handle)?))
    }

    fn heard(&self, sku: &Sku) -> Option<VariantStock> {
        let heard = self.stock.get(sku)?;
        // Nothing newer is known of it, so it is as fresh as the stream is.
        let as_of = self.stock_as_of.map_or(heard.as_of, |stream| stream.max(heard.as_of));
        Some(VariantStock { available: heard.available, as_of })
    }

    pub(crate) fn available(&self, product: &Stored) -> Option<u64> {
        let heard: Vec<u64> = product.variants.iter().filter_map(|v| self.stock.get(&v.sku)).map(|h| h.available).collect();
        (!heard.is_empty()).then(|| heard.iter().sum())
    }

    pub(crate) fn product(&self, of: &Stored) -> Product {
        let variant = |variant: &StoredVariant| Variant {
            sku: variant.sku.clone(),
            title: variant.title.clone(),
            options: variant.options.clone(),
            price: variant.price,
            compare_at_price: variant.compare_at_price,
            image: variant.image.clone(),
            stock: self.heard(&variant.sku),
        };
        Product {
            id: of.id,
            handle: of.handle.clone(),
            title: of.title.clone(),
            description: of.description.clone(),
            vendor: of.vendor.clone(),
            category: of.category.clone(),
            tags: of.tags.clone(),
            options: of.options.clone(),
            images: of.images.clone(),
            variants: of.variants.iter().map(variant).collect(),
        }
    }

    pub(crate) fn list_item(&self, of: &Stored) -> Option<ListItem> {
        Some(ListItem {
            id: of.id,
            handle: of.handle.clone(),
            title: of.title.clone(),
            category: of.category.clone(),
            price: of.price()?,
            image: of.images.first().cloned(),
            available: self.available(of),
        })
    }

    pub(crate) fn quote(&self, sku: &Sku) -> Option<PriceQuote> {
        let product = self.products.get(self.by_sku.get(sku)?)?;
        let variant = product.variants.iter().find(|variant| variant.sku == *sku)?;
        let title = match product.variants.len() {
            1 => product.title.clone(),
            _ => format!("{} – {}", product.title, variant.title),
        };
        Some(PriceQuote { sku: sku.clone(), title, handle: product.handle.clone(), unit_price: variant.price })
    }

    /// Every category with the number of products in it and below it, in order of slug.
    pub(crate) fn categories(&self) -> Vec<Category> {
        let mut found: BTreeMap<String, Category> = BTreeMap::new();
        for product in self.products.values() {
            let path = product.category_path();
            for depth in 1..=path.len() {
                let here = &path[..depth];
                let category = found.entry(slug(here)).or_insert_with(|| Category {
                    slug: slug(here),
                    name: here[depth - 1].to_owned(),
                    path: here.iter().map(|name| (*name).to_owned()).collect(),
                    parent: (depth > 1).then(|| slug(&here[..depth - 1])),
                    products: 0,
                });
                category.products += 1;
            }
        }
        found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use storefront_types::Currency;
    use uuid::Uuid;

    use super::*;

    fn product(id: ProductId, skus: &[&str]) -> Stored {
        let price = Money::new(100, "USD".parse::<Currency>().unwrap());
        let variant = |sku: &&str| StoredVariant {
            sku: Sku::parse(sku).unwrap(),
            title: String::new(),
            options: Vec::new(),
            price,
            compare_at_price: None,
            image: None,
        };
        Stored {
            id,
            handle: "lamp".to_owned(),
            position: 1,
            title: String::new(),
            description: String::new(),
            vendor: None,
            category: None,
            tags: Vec::new(),
            options: Vec::new(),
            images: Vec::new(),
            variants: skus.iter().map(variant).collect(),
            haystack: String::new(),
        }
    }

    #[test]
    fn lists_are_told_of_what_sold_out_and_came_back_and_of_nothing_else() {
        let (mut model, id) = (Model::default(), ProductId::new(Uuid::from_u128(1)));
        model.put(id, Some(product(id, &["A", "B"])));
        let mut hear = |sku: &str, version, available| {
            let heard = Heard { version, available, as_of: OffsetDateTime::UNIX_EPOCH };
            model.hear(&Sku::parse(sku).unwrap(), heard).is_some()
        };
        assert!(hear("A", 1, 5), "heard of for the first time");
        assert!(!hear("A", 2, 4) && !hear("B", 1, 7) && !hear("B", 2, 0));
        assert!(!hear("A", 1, 0), "older than what is known");
        assert!(hear("A", 3, 0), "sold out");
        assert!(!hear("B", 3, 0) && !hear("stranger", 1, 1));
        assert!(hear("B", 4, 1), "back");
    }
}
