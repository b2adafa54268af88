//! What templates are given.

use askama::Template;
use catalog_api::{Product, ProductPage, Variant};
use orders_api::{Cart, CartChange, Order};
use time::{OffsetDateTime, format_description::StaticFormatDescription, macros::format_description};

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
    /// The catalog is away, and this is of then.
    pub(super) covered: Option<OffsetDateTime>,
}

#[derive(Template)]
#[template(path = "product.html")]
pub(super) struct ProductView {
    pub(super) product: Product,
    /// Whether the stock is of now.
    pub(super) is_current: bool,
    pub(super) covered: Option<OffsetDateTime>,
}

impl ProductView {
    /// The stock in words; `assets/stock.js` has the same ones.
    fn stock(&self, variant: &Variant) -> String {
        let Some(stock) = &variant.stock else { return "availability is not known right now".to_owned() };
        let units = match stock.available {
            0 => "sold out".to_owned(),
            available => format!("{available} available"),
        };
        match self.is_current {
            true => units,
            false => format!("{units}, as of {}", moment(&stock.as_of)),
        }
    }
}

const MOMENT: StaticFormatDescription =
    format_description!("[day padding:none] [month repr:short], [hour]:[minute]:[second] UTC");

fn moment(at: &OffsetDateTime) -> String {
    at.format(MOMENT).unwrap_or_default()
}

const MINUTE: StaticFormatDescription = format_description!("[day padding:none] [month repr:short], [hour]:[minute] UTC");

fn minute(at: &OffsetDateTime) -> String {
    at.format(MINUTE).unwrap_or_default()
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

impl CheckoutPage {
    /// `orders` said so, or was told before.
    fn is_paid_for(&self) -> bool {
        !self.form.payment_method.is_empty() || self.errors.iter().any(|(field, _)| field == "payment_method")
    }
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
