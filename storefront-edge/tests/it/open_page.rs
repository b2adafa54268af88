//! The script of an open product page, in a real browser: `cargo test -p storefront-edge -- --ignored open_page`.

use std::process::Command;

use super::{inventory::Inventory, shop::Shop};

/// The page after so long of its own time.
fn page_after(shop: &Shop, ms: u32) -> String {
    let profile = tempfile::tempdir().unwrap();
    let (budget, profile) = (format!("--virtual-time-budget={ms}"), format!("--user-data-dir={}", profile.path().display()));
    let flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", &budget, &profile];
    let output = Command::new("chromium").args(flags).arg(format!("{}/products/lamp", shop.base)).output().expect("chromium");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_open_page_that_hears_nothing_says_since_when_after_a_moment() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 9).await;
    // No room for a stream: the page is told to come back.
    let shop = Shop::start(&format!("eu={}", inventory.address()), &["--max-stock-streams", "0"]).await;
    shop.until_available(9).await;
    for (ms, says) in [(2_000, false), (9_000, true)] {
        let page = tokio::task::block_in_place(|| page_after(&shop, ms));
        assert!(page.contains("data-stock="), "no product page: {page}");
        assert_eq!(page.contains("Stock may be out of date since "), says, "after {ms} ms: {page}");
    }
}
