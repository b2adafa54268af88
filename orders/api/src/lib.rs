//! The HTTP contract of `orders`: users, sessions, carts, checkouts, order history.
//!
//! Owns: paths, bodies, answers. Must not: know how they are stored.

mod account;
mod cart;
mod checkout;
mod life;
mod payment;

pub use account::{RegisterRequest, RegisterResponse, User};
pub use cart::{
    Cart, CartChange, CartLine, CartRemoveRequest, CartRequest, CartUpdateRequest, MAX_CART_LINES, MAX_LINE_QUANTITY,
};
pub use checkout::{
    Address, CheckoutRequest, CheckoutState, CheckoutStatus, Order, OrderLine, OrderStatus, SettleCartRequest, TicketResponse,
};
pub use life::{
    AllocateCommand, CancelRequest, EffectState, HistoryEntry, OrderDetail, OrderSummary, Parcel, PayCommand, PlainCommand,
    Refund, RefundState, ReturnCommand, ReturnLine, ShipCommand, UnitsFrom, UnitsOf,
};
pub use payment::{PaymentPhase, PaymentSummary};

/// Paths, in the notation of the router. Public at an edge unless they start with `/internal/`.
pub mod paths {
    pub const REGISTER: &str = "/v1/users/register";
    pub const CART: &str = "/v1/cart";
    pub const CART_ADD: &str = "/v1/cart/add";
    pub const CART_UPDATE: &str = "/v1/cart/update";
    pub const CART_REMOVE: &str = "/v1/cart/remove";
    pub const CHECKOUT: &str = "/v1/orders/checkout";
    pub const CHECKOUT_STATE: &str = "/v1/orders/checkout/{idempotency_key}";
    pub const ORDERS: &str = "/v1/orders";
    pub const ORDER: &str = "/v1/orders/{id}";
    /// `POST`, signed, from the payment provider; not routed by edges.
    pub const PAYMENT_WEBHOOKS: &str = "/v1/payments/webhooks";
    /// `POST` [`crate::CancelRequest`]: one's own order, as far as it was not shipped.
    pub const CANCEL: &str = "/v1/orders/{id}/cancel";
    /// `POST`, with the shopper's session, at the home region: checks the session, answers [`crate::TicketResponse`].
    pub const TICKET: &str = "/internal/v1/checkout-tickets";
    /// `POST` [`crate::SettleCartRequest`] at the home region, after acceptance: empties the cart if it still has that version.
    pub const SETTLE_CART: &str = "/internal/v1/carts/settle";

    /// Of operators, on the admin port, with `Authorization: Bearer` and the admin token.
    pub mod admin {
        pub const ORDERS: &str = "/admin/v1/orders";
        pub const ORDER: &str = "/admin/v1/orders/{id}";
        pub const PAY: &str = "/admin/v1/orders/{id}/pay";
        pub const ALLOCATE: &str = "/admin/v1/orders/{id}/allocate";
        pub const SHIP: &str = "/admin/v1/orders/{id}/ship";
        pub const DELIVER: &str = "/admin/v1/orders/{id}/parcels/{number}/deliver";
        pub const CANCEL: &str = "/admin/v1/orders/{id}/cancel";
        pub const RETURN: &str = "/admin/v1/orders/{id}/return";
        /// `GET`: payments that wait for their capture, or for an operator.
        pub const PAYMENTS: &str = "/admin/v1/payments";
        /// `POST`, with the order's id: the capture is tried anew.
        pub const RETRY_PAYMENT: &str = "/admin/v1/payments/{id}/retry";
    }
}

/// Carries the signed ticket from the edge to the `orders` instance beside the leader.
pub const TICKET_HEADER: &str = "checkout-ticket";

/// On an answer to a checkout: PostgreSQL emptied the cart with the order, so whoever looks at it next finds it empty.
pub const CART_EMPTIED_HEADER: &str = "cart-emptied";

/// Carries the region a session's cart lives in, on answers that begin a session.
pub const HOME_REGION_HEADER: &str = "session-home-region";

/// Name of the session cookie.
pub const SESSION_COOKIE: &str = "session";
