//! Which page a path asks for, and under which name it is kept.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Query parameters of a list; others are not looked at.
const LIST: [&str; 6] = ["q", "category", "min_price", "max_price", "sort", "cursor"];

const PRODUCT_PAGES: &str = "/products/";
const PRODUCT_API: &str = "/v1/products/";

/// What a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// A product for programs.
    ProductJson,
    /// A product for people.
    ProductPage,
    /// Search and browse: what was asked for, by name.
    List(Vec<(String, String)>),
}

/// A page that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// What it is kept under.
    pub(super) key: String,
    pub(super) view: View,
    /// Path and query of the catalog's answer that it is made from.
    pub(super) source: String,
}

/// What a page would be kept under: the query of a product says nothing.
pub(super) fn key(path_and_query: &str) -> &str {
    let is_product = path_and_query.starts_with(PRODUCT_PAGES) || path_and_query.starts_with(PRODUCT_API);
    if is_product { path_and_query.split('?').next().unwrap_or_default() } else { path_and_query }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A query that says the same.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    pairs.into_iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

impl Asked {
    /// `None`: no page of the catalog.
    pub(super) fn parse(path_and_query: &str) -> Option<Self> {
        let (path, asked) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        if path == "/" || path == "/products" {
            return Some(Self::list(path_and_query, asked));
        }
        let key = path.to_owned();
        match path.strip_prefix(PRODUCT_PAGES) {
            Some(name) if is_name(name) => Some(Self { key, view: View::ProductPage, source: format!("{PRODUCT_API}{name}") }),
            Some(_) => None,
            None => is_product_json(path).then(|| Self { source: key.clone(), key, view: View::ProductJson }),
        }
    }

    fn list(path_and_query: &str, asked: &str) -> Self {
        let all: Vec<(String, String)> = serde_urlencoded::from_str(asked).unwrap_or_default();
        // A page with other names in its query is kept once and not under each of them.
        let is_plain = all.iter().all(|(name, _)| LIST.contains(&name.as_str()));
        let value = |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim().to_owned());
        let given = LIST.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?)));
        // Empty form fields say nothing.
        let given: Vec<(String, String)> = given.filter(|(_, value)| !value.is_empty()).collect();
        let query = query(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let key = if is_plain { path_and_query.to_owned() } else { format!("/products?{query}") };
        Self { key, view: View::List(given), source: format!("{}?{query}", catalog_api::paths::PRODUCTS) }
    }
}

pub(super) fn is_product_json(path: &str) -> bool {
    path.strip_prefix(PRODUCT_API).is_some_and(is_name)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_page_and_its_source() {
        let product = Asked::parse("/products/calm-lamp?utm_source=x").unwrap();
        assert_eq!((product.key.as_str(), product.source.as_str()), ("/products/calm-lamp", "/v1/products/calm-lamp"));
        assert_eq!((product.view, key("/products/calm-lamp?utm_source=x")), (View::ProductPage, "/products/calm-lamp"));
        assert_eq!(Asked::parse("/v1/products/x?y").unwrap().source, "/v1/products/x");
        for none in ["/products/", "/products/a/b", "/v1/products", "/v1/products/a/stock", "/cart", ""] {
            assert_eq!(Asked::parse(none), None, "{none}");
        }
        let list = Asked::parse("/products?q=&category=home%2Flamps&sort=title").unwrap();
        assert_eq!(list.source, "/v1/products?category=home%2Flamps&sort=title");
        assert_eq!(list.key, "/products?q=&category=home%2Flamps&sort=title");
        let noisy = Asked::parse("/?q=lamp&nonsense=1").unwrap();
        assert_eq!((noisy.key.as_str(), noisy.source.as_str()), ("/products?q=lamp", "/v1/products?q=lamp"));
    }
}
