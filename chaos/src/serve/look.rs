//! Looking at the topology for as long as somebody wants to see it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::watch::{Collector, PERIOD, Picture, Reading};

/// What was seen last, as JSON that is made once for all who look; an error, when there is nothing to see.
pub(super) type Seen = Option<Result<Arc<str>, Arc<str>>>;

/// Who looks now, if anybody does.
type Now = Mutex<Weak<watch::Sender<Seen>>>;

/// Nobody is asked anything while nobody looks.
pub(super) struct Lookout {
    topology_file: PathBuf,
    now: Arc<Now>,
}

impl Lookout {
    pub(super) fn new(topology_file: PathBuf) -> Self {
        Self { topology_file, now: Arc::default() }
    }

    /// Begins to look where nobody did.
    pub(super) fn join(&self) -> watch::Receiver<Seen> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = now.upgrade() {
            return sender.subscribe();
        }
        let (sender, seen) = watch::channel(None);
        let sender = Arc::new(sender);
        *now = Arc::downgrade(&sender);
        tokio::spawn(look(self.topology_file.clone(), sender, self.now.clone()));
        seen
    }
}

/// Ends when nobody looks any more.
async fn look(file: PathBuf, tell: Arc<watch::Sender<Seen>>, now: Arc<Now>) {
    let mut turns = interval(PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut collector, mut before): (Option<Collector>, Option<Reading>) = (None, None);
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            () = tell.closed() => {
                let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
                // Somebody may have come since.
                if tell.is_closed() {
                    *now = Weak::new();
                    return;
                }
            }
        }
        if collector.is_none() {
            match Collector::open(&file) {
                Ok(opened) => collector = Some(opened),
                // It may be on its way up.
                Err(error) => tell.send_replace(Some(Err(format!("{error:#}").into()))).map_or((), drop),
            }
        }
        let Some(open) = &mut collector else { continue };
        let reading = open.look().await;
        let picture = Picture::of(before.as_ref(), &reading);
        before = Some(reading);
        if let Ok(json) = serde_json::to_string(&picture) {
            tell.send_replace(Some(Ok(json.into())));
        }
    }
}
