//! How the cluster is.

use std::collections::BTreeSet;

use inventory_api::{Alarm, Alarms, MarkResponse, Member, MemberRole, NodeStatus, StateHash, paths::admin as paths};
use serde::Serialize;

use crate::{
    cli::{NOT_WELL, Output},
    output::{bytes, name, print},
    remote::Cluster,
};

/// A member, and what it says of itself if it answers.
#[derive(Debug, Serialize)]
struct Seen {
    #[serde(flatten)]
    member: Member,
    status: Option<NodeStatus>,
}

pub(crate) async fn status(cluster: &Cluster, output: Output) -> anyhow::Result<u8> {
    let view = cluster.view().await?;
    let mut seen = Vec::new();
    for member in view.members {
        let status = cluster.get(&member.address, paths::STATUS).await.ok();
        seen.push(Seen { member, status });
    }
    let header =
        ["id", "region", "address", "role", "state", "term", "applied", "last log", "snapshot", "data", "free", "alarms"];
    print(output, &seen, header, seen.iter().map(row))?;
    let well = view.leader.is_some() && seen.iter().all(|one| one.status.as_ref().is_some_and(|status| status.alarms.is_empty()));
    Ok(if well { 0 } else { NOT_WELL })
}

fn row(seen: &Seen) -> [String; 12] {
    let member = &seen.member;
    let of = |text: fn(&NodeStatus) -> String| seen.status.as_ref().map_or_else(|| "-".to_owned(), text);
    [
        member.id.to_string(),
        member.region.clone(),
        member.address.clone(),
        if member.role == MemberRole::Voter { "voter" } else { "learner" }.to_owned(),
        seen.status.as_ref().map_or_else(|| "does not answer".to_owned(), |status| name(&status.state)),
        of(|status| status.term.to_string()),
        of(|status| status.applied_index.to_string()),
        of(|status| status.last_log_index.to_string()),
        of(|status| status.snapshot_index.to_string()),
        of(|status| bytes(status.data_bytes)),
        of(|status| bytes(status.free_bytes)),
        of(|status| status.alarms.iter().map(|alarm| name(&alarm.alarm)).collect::<Vec<_>>().join(", ")),
    ]
}

pub(crate) async fn alarms(cluster: &Cluster, output: Output) -> anyhow::Result<u8> {
    let (mut found, mut away): (Vec<Alarm>, _) = (Vec::new(), 0);
    for member in cluster.view().await?.members {
        match cluster.get::<Alarms>(&member.address, paths::ALARMS).await {
            Ok(of) => found.extend(of.items),
            Err(error) => {
                eprintln!("node {}: {error:#}", member.id);
                away += 1;
            }
        }
    }
    let row = |alarm: &Alarm| [alarm.node_id.to_string(), name(&alarm.alarm), alarm.detail.clone()];
    print(output, &found, ["node", "alarm", "detail"], found.iter().map(row))?;
    Ok(if found.is_empty() && away == 0 { 0 } else { NOT_WELL })
}

/// Puts a mark into the log and asks every member for its hash there, so that the comparison holds under load too.
pub(crate) async fn hash(cluster: &Cluster, output: Output) -> anyhow::Result<u8> {
    let mark: MarkResponse = cluster.post_to_leader(paths::MARK, &serde_json::json!({})).await?;
    let path = format!("{}?at_index={}", paths::STATE_HASH, mark.index);
    let (mut hashes, mut away) = (Vec::new(), 0);
    for member in cluster.view().await?.members {
        match cluster.get::<StateHash>(&member.address, &path).await {
            Ok(hash) => hashes.push(hash),
            Err(error) => {
                eprintln!("node {}: {error:#}", member.id);
                away += 1;
            }
        }
    }
    let row = |of: &StateHash| [of.node_id.to_string(), of.applied_index.to_string(), of.hash.clone()];
    print(output, &hashes, ["node", "log index", "state hash"], hashes.iter().map(row))?;
    let different: BTreeSet<&str> = hashes.iter().map(|of| of.hash.as_str()).collect();
    if different.len() > 1 {
        eprintln!("the states differ: take the minority out and let it join again under new ids");
    }
    Ok(if different.len() == 1 && away == 0 { 0 } else { NOT_WELL })
}
