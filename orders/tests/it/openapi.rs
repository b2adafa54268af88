//! The committed OpenAPI documents are the ones that are served.

use utoipa::openapi::OpenApi;

fn check(file: &str, document: &OpenApi) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let current = document.to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "{file} is not current: run the test again with UPDATE_OPENAPI=1 and commit it");
}

#[test]
fn the_committed_document_is_current() {
    check("openapi.json", &orders::openapi());
}

#[test]
fn the_committed_document_for_operators_is_current() {
    check("openapi-admin.json", &orders::admin_openapi());
}
