//! Classes of requests in the order in which they are kept alive, and how a limited number of places is shared among them.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use orders_api::paths;

/// What a request is for. Browsing is shed first, a purchase last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    Browse,
    /// Carts, accounts, history: what one shopper does.
    Personal,
    Checkout,
}

pub(crate) const CLASSES: [Class; 3] = [Class::Browse, Class::Personal, Class::Checkout];

impl Class {
    /// Of a request at the edge, or of what the edge asks a service; by path alone.
    pub(crate) fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        match path {
            paths::CHECKOUT | paths::TICKET | paths::SETTLE_CART | "/checkout" => Self::Checkout,
            paths::REGISTER | "/register" => Self::Personal,
            _ if under(path, paths::CHECKOUT) => Self::Checkout,
            _ if [paths::CART, paths::ORDERS, "/cart", "/orders"].iter().any(|of| under(path, of)) => Self::Personal,
            _ => Self::Browse,
        }
    }

    /// The same for what is no path of the shop: a change is more than a look.
    pub(crate) fn of_request(method: &Method, path: &str) -> Self {
        match Self::of(path) {
            Self::Browse if !method.is_safe() => Self::Personal,
            class => class,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Personal => "personal",
            Self::Checkout => "checkout",
        }
    }

    pub(crate) const fn nth(self) -> usize {
        self as usize
    }

    /// Up to how many percent of all places the class may fill them: what is left is for those more important.
    const fn ceiling_percent(self) -> usize {
        match self {
            Self::Browse => 70,
            Self::Personal => 85,
            Self::Checkout => 100,
        }
    }

    /// Percent of the places that are the class's own, whatever the others do: at most 25 % over the limit in all.
    const fn own_percent(self) -> usize {
        match self {
            Self::Browse => 5,
            Self::Personal | Self::Checkout => 10,
        }
    }
}

fn under(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether one more of a class fits into `limit` places beside those under way.
pub(crate) fn fits(limit: usize, under_way: [usize; 3], class: Class) -> bool {
    let all: usize = under_way.iter().sum();
    // A class has at least one place of its own, however few there are.
    let own = (limit * class.own_percent() / 100).max(1);
    under_way[class.nth()] < own || all < limit * class.ceiling_percent() / 100
}

/// So many requests at once, shared by class. An uncontended entry is three additions.
#[derive(Debug)]
pub(crate) struct Places {
    limit: AtomicUsize,
    under_way: [AtomicUsize; 3],
}

/// Held while a request is under way.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    places: &'a Places,
    class: Class,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), under_way: Default::default() }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn under_way(&self) -> [usize; 3] {
        [0, 1, 2].map(|nth: usize| self.under_way[nth].load(Ordering::Relaxed))
    }

    pub(crate) fn enter(&self, class: Class) -> Option<Place<'_>> {
        self.under_way[class.nth()].fetch_add(1, Ordering::Relaxed);
        let place = Place { places: self, class };
        let mut others = self.under_way();
        others[class.nth()] = others[class.nth()].saturating_sub(1);
        // Left again by dropping the place.
        fits(self.limit(), others, class).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.under_way[self.class.nth()].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_has_one_class() {
        for (path, class) in [
            ("/v1/orders/checkout", Class::Checkout),
            ("/v1/orders/checkout/some-key", Class::Checkout),
            ("/checkout", Class::Checkout),
            ("/v1/orders/checkouts", Class::Personal),
            ("/v1/cart/add", Class::Personal),
            ("/cart?x=1", Class::Personal),
            ("/v1/orders/1", Class::Personal),
            ("/v1/users/register", Class::Personal),
            ("/v1/products?q=/v1/cart", Class::Browse),
            ("/cartoons", Class::Browse),
            ("/", Class::Browse),
        ] {
            assert_eq!(Class::of_request(&Method::GET, path), class, "{path}");
        }
        assert_eq!(Class::of_request(&Method::POST, "/changed"), Class::Personal);
    }

    #[test]
    fn browsing_fills_its_share_and_checkouts_the_rest() {
        let places = Places::new(100);
        let mut held = Vec::new();
        let mut fill = |class| {
            let before = held.len();
            held.extend(std::iter::from_fn(|| places.enter(class)));
            held.len() - before
        };
        assert_eq!(fill(Class::Browse), 70);
        assert_eq!(fill(Class::Personal), 15);
        assert_eq!(fill(Class::Checkout), 15);
        drop(held);
        assert_eq!(places.under_way(), [0; 3]);
        let held: Vec<_> = std::iter::from_fn(|| places.enter(Class::Checkout)).collect();
        assert_eq!(held.len(), 100);
        assert_eq!(
            std::iter::from_fn(|| places.enter(Class::Browse)).take(50).collect::<Vec<_>>().len(),
            5,
            "kept no place of its own"
        );
    }

    proptest! {
        #[test]
        fn a_more_important_request_fits_wherever_a_less_important_one_does(
            limit in 1_usize..1_000, under_way in prop::array::uniform3(0_usize..500),
        ) {
            let all: usize = under_way.iter().sum();
            for class in CLASSES {
                let fits = fits(limit, under_way, class);
                prop_assert!(!fits || all < limit || under_way[class.nth()] < (limit / 10).max(1));
                let by_ceiling = all < limit * class.ceiling_percent() / 100;
                prop_assert!(!by_ceiling || fits);
                prop_assert!(!by_ceiling || CLASSES[class.nth()..].iter().all(|more| super::fits(limit, under_way, *more)));
            }
        }
    }
}
