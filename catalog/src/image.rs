//! Pictures of generated products: a calm still life drawn from the product's own name, so that no stock photo is shipped.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;

use crate::product::{Catalog, cacheable, not_found};

/// Grounds and objects that go together: background, far shape, near shape, accent.
const PALETTES: [[&str; 4]; 6] = [
    ["#efe9df", "#c9b79c", "#7a5c3e", "#d98e5f"],
    ["#e6ece6", "#a9c0a6", "#4f6f52", "#d9b44a"],
    ["#e4e9f0", "#a8b8cf", "#3e5673", "#e0866b"],
    ["#f3e8e6", "#d9a79c", "#8a4b40", "#5f7f86"],
    ["#ececec", "#bdb9b2", "#55504a", "#c9a24b"],
    ["#e8f0ef", "#9fc4c0", "#2f6b69", "#e3a857"],
];

/// `/images/<handle>.svg`
pub(crate) async fn serve(State(catalog): State<Catalog>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let found = name.strip_suffix(".svg").and_then(|handle| {
        let model = catalog.read();
        model.find(handle).map(|product| (draw(&product.handle), product.id))
    });
    match found {
        Some((svg, id)) => cacheable(&headers, "image/svg+xml", svg.into_bytes(), &format!("product:{id}")),
        None => not_found(),
    }
}

fn draw(handle: &str) -> String {
    let hash = blake3::hash(handle.as_bytes());
    let byte = |at: usize| u32::from(hash.as_bytes()[at]);
    let [ground, far, near, accent] = PALETTES[hash.as_bytes()[0] as usize % PALETTES.len()];
    let (left, height) = (140 + byte(1) / 3, 180 + byte(2) / 2);
    let (radius, right) = (90 + byte(3) / 4, 400 + byte(4) / 4);
    let top = 520 - height;
    let shape = match byte(5) % 4 {
        0 => format!("<rect x='{left}' y='{top}' width='170' height='{height}' rx='18' fill='{near}'/>"),
        1 => format!("<path d='M{left} 520 L{} {top} L{} {top} L{} 520 Z' fill='{near}'/>", left + 40, left + 150, left + 190),
        2 => format!(
            "<path d='M{left} {top} h190 a95 {height} 0 0 1 -190 0 Z' fill='{near}'/><rect x='{left}' y='505' width='190' height='15' rx='7' fill='{near}'/>"
        ),
        _ => format!("<path d='M{left} 520 v-{} a85 85 0 0 1 170 0 v{} Z' fill='{near}'/>", height - 60, height - 60),
    };
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 640 640' width='640' height='640'>\
         <rect width='640' height='640' fill='{ground}'/><rect y='520' width='640' height='120' fill='{far}' opacity='.55'/>\
         <circle cx='{right}' cy='{}' r='{radius}' fill='{far}'/>{shape}\
         <circle cx='{}' cy='478' r='42' fill='{accent}'/></svg>",
        520 - radius,
        right - 30,
    )
}
