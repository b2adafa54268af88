//! A peer that is slow to take a connection.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use uuid::Uuid;

use super::*;
use crate::consensus::Directories;

/// How long a handshake takes there, and how long one question may.
const LATE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_millis(60);

/// Answers questions of one byte on a connection, after its handshake.
async fn answer(mut stream: TcpStream, directory: Uuid) -> io::Result<()> {
    sleep(LATE).await;
    let mut asked = Vec::new();
    loop {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
        let is_whole = asked.windows(4).position(|end| end == b"\r\n\r\n").is_some_and(|head| asked.len() > head + 4);
        if is_whole {
            asked.clear();
            let head = format!("HTTP/1.1 200 OK\r\nraft-directory: {directory}\r\ncontent-length: 1\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&[7]).await?;
        }
    }
}

#[tokio::test]
async fn a_handshake_that_takes_longer_than_a_question_may_is_done_once() {
    let (folder, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let raft = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let directory = Uuid::new_v4();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, directory));
        }
    });
    let directories = Arc::new(Directories::open(folder.path(), 1, Uuid::new_v4()).unwrap());
    let network = NetworkFactory::new(Gate { cluster_id: "test".into(), directories }, None);
    let link = network.link(2, &Peer { client: String::new(), raft, region: "eu".to_owned() });
    let option = RPCOption::new(PATIENCE);
    // Candidates ask again and again, and none of them waits for so long.
    for _ in 0..100 {
        if link.call::<u8, u8>("vote", &1, &option).await.is_ok_and(|answer| answer == 7) {
            return;
        }
    }
    panic!("nobody was ever asked");
}
