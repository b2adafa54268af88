//! Snapshots: saved from a running cluster, looked into, made into a new cluster.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use inventory_api::{NodeStatus, paths::admin as paths};
use inventory_raft::snapshots::{self, Inspected, Restore};
use tokio::io::AsyncWriteExt;

use crate::{
    cli::{Output, Snapshot},
    output::{bytes, print},
    remote::Cluster,
};

pub(crate) async fn run(cluster: &Cluster, output: Output, command: Snapshot) -> anyhow::Result<u8> {
    match command {
        Snapshot::Save { file } => save(cluster, &file).await?,
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
    let url = format!("http://{}{}", leader.address, paths::SNAPSHOT);
    // A large snapshot takes longer than any other answer.
    let answer = cluster.http.get(url).timeout(Duration::from_secs(600)).send().await?.error_for_status()?;
    let progress = ProgressBar::new(answer.content_length().unwrap_or_default());
    let temporary = file.with_extension("part");
    let mut out = tokio::fs::File::create(&temporary).await.with_context(|| format!("{} cannot be made", temporary.display()))?;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        out.write_all(&chunk).await?;
        progress.inc(chunk.len() as u64);
    }
    out.sync_all().await?;
    progress.finish_and_clear();
    snapshots::inspect(&temporary).context("what was fetched is not a whole snapshot")?;
    tokio::fs::rename(&temporary, file).await?;
    eprintln!("saved to {}", file.display());
    Ok(())
}

async fn leader_status(cluster: &Cluster) -> anyhow::Result<NodeStatus> {
    let leader = cluster.view().await?.leader.context("no leader is known; an election is on or no quorum is up")?;
    cluster.get(&leader.address, paths::STATUS).await
}
