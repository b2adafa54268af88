//! The shop's pages, rendered here: plain HTML and forms that work without JavaScript.
//!
//! Owns: templates, forms, what a page may load, and the pages that were made. Must not: decide about stock, or keep what is one shopper's.
//! Pages of the catalog carry nothing personal; pages of a shopper are never stored.

mod catalog_pages;
mod forms;
mod html;
mod kept;
mod making;
mod outage;
mod rendered;
mod reuse;
mod security;
mod shopper_pages;
mod stock_stream;
mod view;
mod views;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

pub(crate) use kept::KeptPages;
pub(crate) use security::{from_elsewhere, secure_cookies};
pub(crate) use stock_stream::__path_stream;

use crate::storefront::Storefront;

pub(crate) fn router() -> Router<Arc<Storefront>> {
    Router::new()
        .route("/", get(catalog_pages::page))
        .route("/products", get(catalog_pages::page))
        .route("/products/{handle}", get(catalog_pages::page))
        .route(catalog_api::paths::PRODUCT, get(catalog_pages::page))
        .route(stock_stream::PATH, get(stock_stream::stream))
        .route("/cart", get(shopper_pages::cart))
        .route("/cart/add", post(shopper_pages::add))
        .route("/cart/update", post(shopper_pages::update))
        .route("/checkout", get(shopper_pages::checkout_form).post(shopper_pages::check_out))
        .route("/orders", get(shopper_pages::orders))
        .route("/orders/{id}", get(shopper_pages::order))
        .route("/register", get(shopper_pages::register_form).post(shopper_pages::register))
        .route(html::STYLE_PATH, get(html::style))
        .route(html::SCRIPT_PATH, get(html::script))
}
