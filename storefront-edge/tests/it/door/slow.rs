//! Callers who take their time do not take anybody else's.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{io::AsyncWriteExt, task::JoinSet};

use super::{Edge, Origin, ask, until_closed};

const DRIBBLERS: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_dribbling_heads_hurt_nobody_and_are_told_to_go() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let mut dribblers = JoinSet::new();
    for _ in 0..DRIBBLERS {
        let mut stream = edge.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nx: ").await.unwrap();
        dribblers.spawn(async move {
            let (mut read, mut write) = stream.split();
            let dribble = async {
                // Ends when the edge has closed.
                while write.write_all(b"y").await.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                }
            };
            let mut said = Vec::new();
            let hear = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut said);
            tokio::select! { () = dribble => {}, _ = hear => {} }
            String::from_utf8_lossy(&said).into_owned()
        });
    }
    let all_gone = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..8)
        .map(|nth| {
            let (all_gone, address) = (all_gone.clone(), edge.address);
            tokio::spawn(async move {
                let mut answered = 0_u32;
                while !all_gone.load(Ordering::Relaxed) {
                    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                    for _ in 0..5 {
                        let (_, body) = ask(&mut stream, &format!("/v1/products/{nth}")).await.unwrap();
                        assert_eq!(body, format!("product {nth}"));
                        answered += 1;
                    }
                }
                answered
            })
        })
        .collect();
    while let Some(said) = dribblers.join_next().await {
        let said = said.unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
        assert!(said.contains("did not come in time"), "closed without a word");
    }
    all_gone.store(true, Ordering::Relaxed);
    for other in others {
        assert!(other.await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_edge_makes_room_by_closing_who_idles() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &["--workers", "1", "--max-connections", "4"]).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = edge.connect().await;
        assert!(ask(&mut stream, "/v1/products/a").await.is_some());
        idle.push(stream);
    }
    // Waits in the kernel's queue until the others have gone.
    let mut late = edge.connect().await;
    assert_eq!(ask(&mut late, "/v1/products/a").await.unwrap().1, "product a");
    assert_eq!(until_closed(&mut idle[0]).await, "");
}
