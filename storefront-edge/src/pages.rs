//! The shop's pages, rendered here: plain HTML and forms that work without JavaScript.
//!
//! Owns: templates, forms, what a page may load. Must not: decide about caching or stock; it asks through the same functions as the API.
//! Pages of the catalog carry nothing personal; pages of a shopper are never stored.

mod catalog_pages;
mod forms;
mod html;
mod shopper_pages;
mod views;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::storefront::Storefront;

pub(crate) fn router() -> Router<Arc<Storefront>> {
    Router::new()
        .route("/", get(catalog_pages::list))
        .route("/products", get(catalog_pages::list))
        .route("/products/{handle}", get(catalog_pages::product))
        .route("/cart", get(shopper_pages::cart))
        .route("/cart/add", post(shopper_pages::add))
        .route("/cart/update", post(shopper_pages::update))
        .route("/checkout", get(shopper_pages::checkout_form).post(shopper_pages::check_out))
        .route("/orders", get(shopper_pages::orders))
        .route("/orders/{id}", get(shopper_pages::order))
        .route("/register", get(shopper_pages::register_form).post(shopper_pages::register))
        .route(html::STYLE_PATH, get(html::style))
}
