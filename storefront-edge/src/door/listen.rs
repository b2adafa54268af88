//! Listeners of one address, one for each thread.

use std::net::TcpListener as StdListener;

use storefront_service::shared_listener;
use tokio::net::TcpListener;

/// Takes as many file descriptors as the system grants: each connection is one.
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, all) {
            tracing::info!(%error, limit = limit.current, "connections are bounded by the limit of open files");
        }
    }
}

/// As many listeners as threads, on the address of the first. Where that one was opened for itself alone, they share its queue.
pub(super) fn beside(first: TcpListener, count: usize) -> std::io::Result<Vec<StdListener>> {
    let address = first.local_addr()?;
    let mut all = vec![first.into_std()?];
    for _ in 1..count {
        let sibling = shared_listener(address).and_then(TcpListener::into_std).or_else(|_| all[0].try_clone());
        all.push(sibling?);
    }
    // Connections inherit it: answers are written whole, so waiting to fill a segment would only delay them.
    for listener in &all {
        socket2::SockRef::from(listener).set_tcp_nodelay(true)?;
    }
    Ok(all)
}

/// Drops every further SYN at a listener, so that it runs empty: one that is closed with connections in its queue resets them, and
/// their callers have sent requests by then. Callers repeat a SYN after a second, and reach whoever listens then.
#[cfg(target_os = "linux")]
pub(super) fn take_no_more(listener: &TcpListener) -> std::io::Result<()> {
    use socket2::SockFilter;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    // The filter sees the TCP header first; its 14th byte has the flags (RFC 9293 section 3.1).
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    socket2::SockRef::from(listener).attach_filter(&program)
}

/// Elsewhere a connection that comes between the last look at the queue and its end is lost.
#[cfg(not(target_os = "linux"))]
pub(super) fn take_no_more(_: &TcpListener) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn whoever_comes_while_a_listener_ends_reaches_the_next_one() {
        let old = shared_listener(([127, 0, 0, 1], 0).into()).unwrap();
        let address = old.local_addr().unwrap();
        let mut before = TcpStream::connect(address).await.unwrap();
        take_no_more(&old).unwrap();
        let during = tokio::spawn(TcpStream::connect(address));
        // It has sent its SYN by now, which nobody has answered; what had come before is still there.
        tokio::task::yield_now().await;
        let (mut accepted, _) = old.accept().await.unwrap();
        drop(old);
        let next = shared_listener(address).unwrap();
        accepted.write_all(b"old").await.unwrap();
        drop(accepted);
        let mut said = String::new();
        before.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "old");
        let during = during.await.unwrap().unwrap();
        let (_, from) = next.accept().await.unwrap();
        assert_eq!(from, during.local_addr().unwrap());
    }
}
