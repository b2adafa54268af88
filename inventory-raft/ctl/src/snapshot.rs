//! Snapshots: saved from a running cluster, looked into, made into a new cluster.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Body;
use indicatif::ProgressBar;
use inventory_api::{NodeStatus, paths::admin as paths};
use inventory_raft::snapshots::{self, Inspected, Restore};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    cli::{Output, Snapshot},
    output::{bytes, print},
    remote::Cluster,
};

/// Longest wait for a whole snapshot: 6 GiB at 10 MB/s.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// Opens the way to the cluster only for what needs one.
pub(crate) async fn run(open: impl FnOnce() -> anyhow::Result<Cluster>, output: Output, command: Snapshot) -> anyhow::Result<u8> {
    match command {
        Snapshot::Save { file } => save(&open()?, &file).await?,
        Snapshot::Inspect { file } => show(output, &snapshots::inspect(&file)?)?,
        Snapshot::Restore { file, data_dir, cluster_id, node_id, peers } => {
            let found = snapshots::restore(&Restore { file, data_dir, cluster_id, node_id, peers }).await?;
            eprintln!("the directory is made; start the node with it, without --bootstrap");
            show(output, &found)?;
        }
    }
    Ok(0)
}

fn show(output: Output, found: &Inspected) -> anyhow::Result<()> {
    let members = found.members.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let rows = [
        ["log index".to_owned(), found.log_index.to_string()],
        ["term".to_owned(), found.term.to_string()],
        ["members".to_owned(), members],
        ["records".to_owned(), found.records.to_string()],
        ["bytes".to_owned(), bytes(found.bytes)],
        ["state hash".to_owned(), found.state_hash.clone()],
    ];
    print(output, found, ["", ""], rows)
}

/// Lets the leader take a snapshot of now and fetches it into a file that appears only when it is whole.
async fn save(cluster: &Cluster, file: &Path) -> anyhow::Result<()> {
    let before: NodeStatus = leader_status(cluster).await?;
    cluster.post_to_leader::<serde_json::Value>(paths::SNAPSHOT, &serde_json::json!({})).await?;
    for attempt in 0.. {
        let now = leader_status(cluster).await?;
        if now.snapshot_index >= before.applied_index {
            break;
        }
        ensure!(attempt < 300, "the leader took no snapshot within a minute; its log says why");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let leader = cluster.view().await?.leader.context("no leader is known")?;
    let temporary = file.with_extension("part");
    let fetched = timeout(FETCH_LIMIT, fetch(cluster, &leader.address, &temporary)).await;
    fetched.with_context(|| format!("the snapshot did not come within {FETCH_LIMIT:?}"))??;
    snapshots::inspect(&temporary).context("what was fetched is not a whole snapshot")?;
    tokio::fs::rename(&temporary, file).await?;
    eprintln!("saved to {}", file.display());
    Ok(())
}

async fn fetch(cluster: &Cluster, leader: &str, to: &Path) -> anyhow::Result<()> {
    let answer = cluster.send(leader, paths::SNAPSHOT, None).await?;
    ensure!(answer.status().is_success(), "the leader answered {}", answer.status());
    let progress = ProgressBar::new(answer.body().size_hint().exact().unwrap_or_default());
    let mut out = tokio::fs::File::create(to).await.with_context(|| format!("{} cannot be made", to.display()))?;
    let mut body = answer.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        out.write_all(&chunk).await?;
        progress.inc(chunk.len() as u64);
    }
    out.sync_all().await?;
    progress.finish_and_clear();
    Ok(())
}

async fn leader_status(cluster: &Cluster) -> anyhow::Result<NodeStatus> {
    let leader = cluster.view().await?.leader.context("no leader is known; an election is on or no quorum is up")?;
    cluster.get(&leader.address, paths::STATUS).await
}
