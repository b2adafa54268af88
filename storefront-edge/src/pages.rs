use std::sync::Arc;
use axum::Router;
use crate::storefront::Storefront;
pub(crate) fn router() -> Router<Arc<Storefront>> { Router::new() }
