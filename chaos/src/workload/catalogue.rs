//! What there is to buy.

use catalog_api::{Product, ProductPage, paths};
use serde::de::DeserializeOwned;
use storefront_types::Sku;

use super::shopper::{ShopperError, TIMEOUT};

/// Products whose first variant is bought: the first page of a shop.
const PRODUCTS: usize = 40;

#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) handle: String,
    pub(super) sku: Sku,
}

/// The first variants of the first products of an edge.
pub(super) async fn offers(http: &reqwest::Client, edge: &str) -> Result<Vec<Offer>, ShopperError> {
    let page: ProductPage = get(http, edge, &format!("{}?limit={PRODUCTS}", paths::PRODUCTS)).await?;
    let mut offers = Vec::new();
    for item in page.items {
        let product = product(http, edge, &item.handle).await?;
        offers.extend(product.variants.into_iter().next().map(|variant| Offer { handle: item.handle, sku: variant.sku }));
    }
    Ok(offers)
}

pub(super) async fn product(http: &reqwest::Client, edge: &str, handle: &str) -> Result<Product, ShopperError> {
    get(http, edge, &paths::PRODUCT.replace("{id_or_handle}", handle)).await
}

async fn get<T: DeserializeOwned>(http: &reqwest::Client, edge: &str, path: &str) -> Result<T, ShopperError> {
    let no_answer = |source| ShopperError::NoAnswer { edge: edge.to_owned(), source };
    let answer = http.get(format!("http://{edge}{path}")).timeout(TIMEOUT).send().await.map_err(no_answer)?;
    let status = answer.status().as_u16();
    if status == 200 {
        return answer.json().await.map_err(no_answer);
    }
    let body = answer.text().await.unwrap_or_default();
    Err(ShopperError::Refused { edge: edge.to_owned(), path: "/v1/products", status, body })
}
