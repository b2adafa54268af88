//! Whether the nodes of the inventory are level.

use std::time::Duration;

use deploy_api::ProcessKind;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::inject::Injector;

/// How long after the leader had an entry every node has to have applied it: some heartbeats.
const WITHIN: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(50);

impl Injector {
    /// Whether every node of the inventory has within a second applied what the leader had in its log.
    ///
    /// # Errors
    /// In words, who has not.
    pub async fn level(&self) -> Result<(), String> {
        let began = Instant::now();
        let topology = self.topology().await.map_err(|error| format!("{error:#}"))?;
        let view = self.admin().view(&topology).await.filter(|view| view.leader.is_some()).ok_or("nobody leads the inventory")?;
        let nodes = topology.http_of(ProcessKind::Inventory);
        loop {
            let views = join_all(nodes.iter().map(|node| self.admin().view_of(node))).await;
            let behind = nodes.iter().zip(&views).find_map(|(node, found)| match found {
                Ok(found) if found.applied_index >= view.last_log_index => None,
                Ok(found) => Some(format!("{node} has applied {} of {} entries", found.applied_index, view.last_log_index)),
                Err(error) => Some(format!("{error:#}")),
            });
            match behind {
                None => return Ok(()),
                Some(who) if began.elapsed() > WITHIN => return Err(who),
                Some(_) => sleep(LOOK).await,
            }
        }
    }
}
