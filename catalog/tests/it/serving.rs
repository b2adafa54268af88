//! Products over HTTP.

use std::path::Path;

use catalog_api::{CatalogChange, CatalogClient};
use futures_util::StreamExt;
use serde_json::json;
use storefront_service::background_context;
use storefront_types::Sku;

use super::setup::{Database, Server, eventually};

fn fixture() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/oddities.csv"))
}

#[tokio::test]
async fn products_are_found_filtered_sorted_and_paged() {
    let database = Database::create().await;
    database.import(fixture(), &[]);
    let server = Server::start(&database).await;
    let titles = async |query: &str| {
        let page = server.json(&format!("/v1/products?{query}")).await;
        page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles("sort=price_asc").await, ["Ocean Shirt", "Lamp", "Varsity Top"]);
    assert_eq!(titles("q=halden&sort=title").await, ["Ocean Shirt", "Varsity Top"]);
    assert_eq!(titles("category=clothing/tops").await, ["Varsity Top"]);
    assert_eq!(titles("min_price=5500&max_price=5999").await, ["Lamp"]);
    let first = server.json("/v1/products?limit=2&sort=title").await;
    assert_eq!(first["facets"]["total"], 3);
    assert_eq!(first["facets"]["categories"][0], json!({"slug": "clothing", "name": "Clothing", "count": 2}));
    assert_eq!(titles(&format!("limit=2&sort=title&cursor={}", first["next_cursor"].as_str().unwrap())).await, ["Varsity Top"]);
    let shirt = server.json("/v1/products/ocean-shirt").await;
    assert!(!shirt["description"].as_str().unwrap().contains("script"));
    assert_eq!((&shirt["variants"][0]["sku"], &shirt["variants"][0]["price"]["amount"]), (&json!("ocean-shirt"), &json!(5000)));
    assert_eq!(server.json(&format!("/v1/products/{}", shirt["id"].as_str().unwrap())).await["handle"], "ocean-shirt");
    for (query, name) in [("limit=0", "limit"), ("cursor=x", "cursor"), ("sort=best", "sort"), ("page=2", "page")] {
        let answer = server.get(&format!("/v1/products?{query}")).await;
        assert_eq!(answer.status(), 400);
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["invalid_params"][0]["name"], name, "{problem}");
    }
    assert_eq!(server.get("/v1/products/nothing").await.status(), 404);
    database.drop().await;
}

#[tokio::test]
async fn answers_can_be_validated_and_pictures_are_drawn() {
    let database = Database::create().await;
    database.import(fixture(), &[]);
    let server = Server::start(&database).await;
    let answer = server.get("/v1/products/lamp").await;
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("s-maxage"));
    assert!(answer.headers()["surrogate-key"].to_str().unwrap().starts_with("product:"));
    let request = server.http.get(format!("{}/v1/products/lamp", server.base)).header("if-none-match", format!("\"x\", {etag}"));
    assert_eq!(request.send().await.unwrap().status(), 304);
    let picture = server.get("/images/lamp.svg").await;
    assert_eq!((picture.status().as_u16(), &picture.headers()["content-type"]), (200, &"image/svg+xml".parse().unwrap()));
    database.drop().await;
}

#[tokio::test]
async fn a_later_import_changes_prices_and_publishes_a_purge() {
    let database = Database::create().await;
    database.import(fixture(), &[]);
    let server = Server::start(&database).await;
    let client = CatalogClient::new(server.base.strip_prefix("http://").unwrap());
    let context = background_context();
    let mut feed = client.changes(&context, None).await.unwrap();
    assert!(matches!(feed.next().await.unwrap().unwrap(), CatalogChange::Reset { .. }));
    let sku = Sku::parse("LAMP-1").unwrap();
    assert_eq!(client.prices(&context, std::slice::from_ref(&sku)).await.unwrap().quotes[0].unit_price.amount(), 5999);
    let folder = tempfile::tempdir().unwrap();
    let dearer = folder.path().join("dearer.csv");
    std::fs::write(&dearer, std::fs::read_to_string(fixture()).unwrap().replace("59.99", "61")).unwrap();
    database.import(&dearer, &[]);
    let tags = loop {
        if let CatalogChange::Purge { tags, .. } = feed.next().await.unwrap().unwrap() {
            break tags;
        }
    };
    assert!(tags.contains(&"listing".to_owned()) && tags.len() == 2, "{tags:?}");
    eventually("the new price", async || {
        (client.prices(&context, std::slice::from_ref(&sku)).await.unwrap().quotes[0].unit_price.amount() == 6100).then_some(())
    })
    .await;
    database.drop().await;
}
