//! What a link does to bytes, and that it does it at once and to connections that are open.

use std::{
    io::ErrorKind,
    num::NonZeroU64,
    time::{Duration, Instant},
};

use fault_proxy::{Condition, Fault, Way};
use storefront_service::testing::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::proxy::{Proxy, is_silent, passes};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

/// All of `bytes` one way, and then the end.
async fn carries(mut from: TcpStream, mut to: TcpStream, bytes: &[u8]) {
    let sending = async {
        from.write_all(bytes).await.unwrap();
        from.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let receiving = to.read_to_end(&mut received);
    let (_, read) = tokio::join!(sending, receiving);
    read.unwrap();
    assert!(received == bytes, "{} of {} bytes, or others", received.len(), bytes.len());
    // The other direction is still open.
    passes(&mut to, &mut from, 7).await;
}

#[tokio::test]
async fn without_faults_bytes_and_ends_pass_both_ways() {
    let proxy = Proxy::start().await;
    let bytes = pattern(3_000_000);
    let (caller, called) = proxy.connect().await;
    carries(caller, called, &bytes).await;
    let (caller, called) = proxy.connect().await;
    carries(called, caller, &bytes).await;
    let view = proxy.view().await;
    assert_eq!((view.forward_bytes, view.backward_bytes, view.accepted_connections), (3_000_001, 3_000_001, 2));
    eventually("the connections to be over", async || (proxy.view().await.open_connections == 0).then_some(())).await;
}

#[tokio::test]
async fn a_far_link_is_late_and_keeps_the_order() {
    let way = Way { latency_us: 40_000, jitter_us: 30_000, ..Way::default() };
    let proxy = Proxy::with(Condition::both_ways(way)).await;
    let began = Instant::now();
    let (mut caller, mut called) = proxy.connect().await;
    assert!(began.elapsed() >= Duration::from_millis(80), "a handshake is a round trip");
    let began = Instant::now();
    passes(&mut caller, &mut called, 1).await;
    passes(&mut called, &mut caller, 2).await;
    assert!(began.elapsed() >= Duration::from_millis(80));
    carries(caller, called, &pattern(400_000)).await;
}

#[tokio::test]
async fn a_narrow_link_takes_its_time() {
    let proxy = Proxy::start().await;
    let (caller, called) = proxy.connect().await;
    proxy.set(Condition::both_ways(Way { bytes_per_s: NonZeroU64::new(100_000), ..Way::default() })).await;
    let began = Instant::now();
    carries(caller, called, &pattern(50_000)).await;
    // The last chunk, of a hundredth of a second, is taken before its time is over.
    assert!(began.elapsed() >= Duration::from_millis(480), "{:?}", began.elapsed());
    assert!(proxy.view().await.throttled > 0);
}

#[tokio::test]
async fn a_black_hole_takes_connections_and_no_bytes_until_it_heals() {
    let proxy = Proxy::start().await;
    let (mut caller, mut called) = proxy.connect().await;
    passes(&mut caller, &mut called, 1).await;
    proxy.set(Condition::cut()).await;
    caller.write_all(&[2, 3]).await.unwrap();
    called.write_all(&[4]).await.unwrap();
    // It is accepted, and the server does not hear of it.
    let mut second = TcpStream::connect(proxy.link).await.unwrap();
    second.write_all(&[5]).await.unwrap();
    is_silent(&mut called).await;
    is_silent(&mut caller).await;
    proxy.heal().await;
    assert_eq!((called.read_u8().await.unwrap(), called.read_u8().await.unwrap()), (2, 3));
    assert_eq!(caller.read_u8().await.unwrap(), 4);
    assert_eq!(proxy.server.accept().await.unwrap().0.read_u8().await.unwrap(), 5);
}

#[tokio::test]
async fn a_black_hole_pushes_back() {
    let proxy = Proxy::start().await;
    let (mut caller, _called) = proxy.connect().await;
    proxy.set(Condition::cut()).await;
    // More than all buffers of the kernel: the writer has to wait, as behind a network that is gone.
    let bytes = pattern(64 * 1024 * 1024);
    let written = tokio::time::timeout(Duration::from_secs(2), caller.write_all(&bytes)).await;
    assert!(written.is_err(), "somebody took 64 MiB into a black hole");
    assert_eq!(proxy.view().await.forward_bytes, 0);
}

#[tokio::test]
async fn one_way_is_one_way() {
    let proxy = Proxy::start().await;
    let (mut caller, mut called) = proxy.connect().await;
    let deaf = Way { black_hole: true, ..Way::default() };
    proxy.set(Condition { forward: deaf, ..Condition::default() }).await;
    passes(&mut called, &mut caller, 1).await;
    caller.write_all(&[2]).await.unwrap();
    is_silent(&mut called).await;
    proxy.set(Condition { backward: deaf, ..Condition::default() }).await;
    assert_eq!(called.read_u8().await.unwrap(), 2);
    called.write_all(&[3]).await.unwrap();
    is_silent(&mut caller).await;
}

#[tokio::test]
async fn resets_and_refusals_are_what_the_kernel_would_say() {
    let proxy = Proxy::start().await;
    let (mut caller, mut called) = proxy.connect().await;
    passes(&mut caller, &mut called, 1).await;
    proxy.set(Condition { reset: true, ..Condition::default() }).await;
    for end in [&mut caller, &mut called] {
        assert_eq!(end.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert!(proxy.view().await.reset_connections >= 1);
    proxy.set(Condition { refuse: true, ..Condition::default() }).await;
    eventually("a refusal", async || {
        let refused = TcpStream::connect(proxy.link).await.err()?;
        (refused.kind() == ErrorKind::ConnectionRefused).then_some(())
    })
    .await;
    proxy.heal().await;
    let mut caller = eventually("an open port", async || TcpStream::connect(proxy.link).await.ok()).await;
    passes(&mut caller, &mut proxy.server.accept().await.unwrap().0, 3).await;
}

#[tokio::test]
async fn a_fault_that_nobody_renews_heals() {
    let proxy = Proxy::start().await;
    let fault = Fault { links: vec!["a>b".to_owned()], condition: Condition::cut(), lease_ms: 1_000 };
    proxy.client.set("left behind", &fault).await.unwrap();
    assert_eq!(proxy.view().await.now, Condition::cut());
    proxy
        .client
        .set("kept", &Fault { lease_ms: 60_000, condition: Condition { refuse: true, ..Condition::cut() }, ..fault })
        .await
        .unwrap();
    assert_eq!(proxy.view().await.faults, ["kept", "left behind"]);
    eventually("one to heal", async || (proxy.view().await.faults == ["kept"]).then_some(())).await;
    assert!(proxy.client.renew("left behind", Duration::from_secs(1)).await.is_err(), "a fault came back");
    proxy.client.heal_all().await.unwrap();
    assert_eq!(proxy.view().await.now, Condition::default());
}
