//! One connection over a link: made to the target when the link lets it, carried both ways, ended as it ended or with a reset.

use std::{io, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until, timeout},
    try_join,
};

use crate::{
    condition::Condition,
    link::{Direction, Shared},
    pump::{Broken, Pump},
};

/// Longest wait for a connection to the target, which is on the same machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Carries a connection that was accepted until it is over.
pub(crate) async fn carry(mut caller: TcpStream, link: Arc<Shared>) {
    let condition = link.condition.subscribe();
    let ended = match open(&caller, &link, condition.clone()).await {
        Ok(mut target) => {
            let ended = both_ways(&mut caller, &mut target, &link, condition).await;
            if ended.is_err() {
                abort(&target);
            }
            ended
        }
        Err(broken) => Err(broken),
    };
    if let Err(broken) = ended {
        if matches!(broken, Broken::Reset) {
            link.count_reset();
        }
        abort(&caller);
    }
}

/// With a linger of nothing, closing a socket resets its connection.
fn abort(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Waits until a handshake would have come through, and as long as one takes, and connects to the target.
async fn open(caller: &TcpStream, link: &Shared, mut condition: watch::Receiver<Condition>) -> Result<TcpStream, Broken> {
    let accepted = Instant::now();
    loop {
        let now = *condition.borrow_and_update();
        if now.reset {
            return Err(Broken::Reset);
        }
        let done = accepted + now.round_trip();
        if now.connects() && done <= Instant::now() {
            break;
        }
        tokio::select! {
            changed = condition.changed() => changed.map_err(|_| Broken::Gone)?,
            () = sleep_until(done), if now.connects() => {}
        }
    }
    caller.set_nodelay(true)?;
    let late = |_| Broken::from(io::Error::from(io::ErrorKind::TimedOut));
    let target = timeout(CONNECT_LIMIT, TcpStream::connect(link.spec.target)).await.map_err(late)??;
    target.set_nodelay(true)?;
    Ok(target)
}

async fn both_ways(
    caller: &mut TcpStream,
    target: &mut TcpStream,
    link: &Shared,
    condition: watch::Receiver<Condition>,
) -> Result<(), Broken> {
    let ((from_caller, to_caller), (from_target, to_target)) = (caller.split(), target.split());
    let forward = Pump::new(from_caller, to_target, link, Direction::Forward).run(condition.clone());
    let backward = Pump::new(from_target, to_caller, link, Direction::Backward).run(condition);
    try_join!(forward, backward).map(drop)
}
