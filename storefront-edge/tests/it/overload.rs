//! Ten times what the catalog carries: what is answered well, and how fast. A measurement: `cargo test -p storefront-edge -- --ignored
//! --nocapture overload`.

use std::{
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::{
    leader::shop_that_sells,
    scripted::{Asked, Edge, catalog, plain},
};

/// One at a time, each for so long: what comes sooner waits in the catalog's own queue.
const WORK: Duration = Duration::from_millis(25);

const SECONDS: u64 = 8;

struct Measured {
    useful_per_s: f64,
    p99: Duration,
    shed: usize,
    /// Bought, and tried.
    checkouts: (usize, usize),
}

/// An open loop: so many a second, whether answered or not, and ten checkouts a second beside them.
async fn drive(edge: &Arc<Edge>, per_second: u64, salt: &str) -> Measured {
    let (shed, checkouts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut asking, mut tried) = (Vec::new(), 0);
    let began = Instant::now();
    for nth in 0..per_second * SECONDS {
        let at = began + Duration::from_secs(1) * u32::try_from(nth).unwrap() / u32::try_from(per_second).unwrap();
        tokio::time::sleep_until(at.into()).await;
        let (edge, shed, checkouts, path) = (edge.clone(), shed.clone(), checkouts.clone(), format!("/v1/products/{salt}-{nth}"));
        let buys = nth % (per_second / 10) == 0;
        tried += usize::from(buys);
        asking.push(tokio::spawn(async move {
            if buys && edge.check_out(&path.replace('/', "-")).await.unwrap().0 == 201 {
                checkouts.fetch_add(1, Ordering::Relaxed);
            }
            let asked = Instant::now();
            let (status, ..) = edge.get(&path).await;
            shed.fetch_add(usize::from(status == 503), Ordering::Relaxed);
            (status == 200).then(|| asked.elapsed())
        }));
    }
    let mut took = Vec::new();
    for asked in asking {
        took.extend(asked.await.unwrap());
    }
    took.sort_unstable();
    let useful = took.iter().filter(|took| **took < Duration::from_secs(1)).count();
    Measured {
        useful_per_s: useful as f64 / began.elapsed().as_secs_f64(),
        p99: took[took.len() * 99 / 100],
        shed: shed.load(Ordering::Relaxed),
        checkouts: (checkouts.load(Ordering::Relaxed), tried),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of half a minute"]
async fn overload() {
    let (orders, inventory) = shop_that_sells().await;
    let turn = Arc::new(Semaphore::new(1));
    let catalog = catalog(move |_: Asked| {
        let turn = turn.clone();
        async move {
            let _turn = turn.acquire_owned().await;
            tokio::time::sleep(WORK).await;
            plain(200, "product")
        }
    })
    .await;
    let none = ["--limit-browse", "0:0", "--limit-checkout", "0:0", "--limit-personal", "0:0"];
    let edge = Arc::new(Edge::start(&catalog, &[&orders], &[&inventory], &none).await);
    let quiet = drive(&edge, 10, "quiet").await;
    let peak = drive(&edge, 36, "peak").await;
    let overload = drive(&edge, 360, "over").await;
    for (name, of) in [("quiet", &quiet), ("peak", &peak), ("10 x", &overload)] {
        println!("{name}: {:.0}/s, p99 {:?}, {} shed, {:?} checkouts", of.useful_per_s, of.p99, of.shed, of.checkouts);
    }
    assert!(overload.useful_per_s >= 0.8 * peak.useful_per_s);
    let (bought, tried) = overload.checkouts;
    assert_eq!(bought, tried, "a checkout was shed for the sake of browsing");
}
