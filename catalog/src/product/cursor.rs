//! Where a page ended: the id of its last product, opaque to clients.

use storefront_types::ProductId;

pub(super) fn write(last: ProductId) -> String {
    last.uuid().simple().to_string()
}

pub(super) fn read(text: &str) -> Option<ProductId> {
    uuid::Uuid::parse_str(text).ok().filter(|_| text.len() == 32).map(ProductId::new)
}
