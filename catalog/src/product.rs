//! Products as they are served: a read model in memory, its queries, and the routes over it.

mod cursor;
mod load;
mod model;
mod query;
mod routes;

pub(crate) use load::{load_all, load_some};
pub(crate) use model::Heard;
pub(crate) use routes::{Catalog, cacheable, not_found, router};
// The OpenAPI document names the routes by these.
pub(crate) use routes::{__path_categories, __path_changes, __path_prices, __path_product, __path_products};
