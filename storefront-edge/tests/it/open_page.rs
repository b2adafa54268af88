//! The script of an open product page, in a real browser: `cargo test -p storefront-edge -- --ignored open_page`.

use std::process::Command;

use super::{inventory::Inventory, shop::Shop};

/// The page after so long in a browser.
fn page_after(shop: &Shop, ms: u32) -> String {
    let profile = tempfile::tempdir().unwrap();
    let (timeout, profile) = (format!("--timeout={ms}"), format!("--user-data-dir={}", profile.path().display()));
    let flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", &timeout, &profile];
    let output = Command::new("chromium").args(flags).arg(format!("{}/products/lamp", shop.base)).output().expect("chromium");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, and 20 s"]
async fn an_open_page_says_since_when_it_hears_nothing_and_only_then() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 9).await;
    let address = format!("eu={}", inventory.address());
    for (streams, says) in [("0", true), ("10", false)] {
        let shop = Shop::start(&address, &["--max-stock-streams", streams]).await;
        shop.until_available(9).await;
        let page = tokio::task::block_in_place(|| page_after(&shop, 8_000));
        assert!(page.contains("data-stock="), "no product page: {page}");
        assert_eq!(page.contains("Stock may be out of date since "), says, "{streams} streams: {page}");
    }
}
