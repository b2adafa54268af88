//! What templates are given.

use askama::Template;
use catalog_api::{Product, ProductPage};
use orders_api::{Cart, Order};

use super::forms::{CheckoutForm, RegisterForm};

#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct ListPage {
    pub(super) page: ProductPage,
    pub(super) q: String,
    pub(super) category: String,
    pub(super) sort: String,
    /// Query of the next page.
    pub(super) next: Option<String>,
}

#[derive(Template)]
#[template(path = "product.html")]
pub(super) struct ProductView {
    pub(super) product: Product,
}

#[derive(Template)]
#[template(path = "cart.html")]
pub(super) struct CartPage {
    pub(super) cart: Cart,
    pub(super) note: String,
}

#[derive(Template)]
#[template(path = "checkout.html")]
pub(super) struct CheckoutPage {
    pub(super) cart: Cart,
    pub(super) form: CheckoutForm,
    /// Field and reason.
    pub(super) errors: Vec<(String, String)>,
    pub(super) note: String,
}

#[derive(Template)]
#[template(path = "orders.html")]
pub(super) struct OrdersPage {
    pub(super) orders: Vec<Order>,
}

#[derive(Template)]
#[template(path = "order.html")]
pub(super) struct OrderPage {
    pub(super) order: Order,
    pub(super) accepted: bool,
}

#[derive(Template)]
#[template(path = "register.html")]
pub(super) struct RegisterPage {
    pub(super) form: RegisterForm,
    pub(super) errors: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct ProblemPage {
    pub(super) title: String,
    pub(super) detail: String,
}
