//! Trying a port: a connection that says nothing and ends its half. Every server then ends the other half, so that an answer means that
//! bytes came there and back; none has to be told what it would take for nonsense.

use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There and back in so long.
    Answer(Duration),
    /// Nothing within the limit.
    Silence,
    Reset,
    Refused,
}

pub(crate) async fn probe(address: &str, limit: Duration) -> Heard {
    let began = Instant::now();
    let tried = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.shutdown().await?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await
    };
    match timeout(limit, tried).await {
        Err(_) => Heard::Silence,
        Ok(Ok(_)) => Heard::Answer(began.elapsed()),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Heard::Refused,
        Ok(Err(_)) => Heard::Reset,
    }
}
