//! Who belongs to the cluster, and who leads it.

use std::time::Duration;

use anyhow::Context;
use inventory_api::{AddLearnerRequest, Member, MemberRequest, MemberRole, TransferLeaderRequest, paths::admin as paths};

use crate::{
    cli::{Members, Output},
    output::{name, print},
    remote::Cluster,
};

type Done = serde_json::Value;

pub(crate) async fn run(cluster: &Cluster, output: Output, command: Members) -> anyhow::Result<u8> {
    match command {
        Members::List => {
            let view = cluster.view().await?;
            let leads = |member: &Member| view.leader.as_ref().is_some_and(|leader| leader.id == member.id);
            let row = |member: &Member| {
                let leader = if leads(member) { "leader" } else { "" }.to_owned();
                [member.id.to_string(), member.region.clone(), member.address.clone(), name(&member.role), leader]
            };
            print(output, &view.members, ["id", "region", "address", "role", ""], view.members.iter().map(row))?;
        }
        Members::AddLearner { id, region, client, raft } => {
            let request = AddLearnerRequest { id, region, client, raft };
            cluster.post_to_leader::<Done>(paths::MEMBERS, &request).await?;
            eprintln!("node {id} follows the log; promote it when `status` shows that it has caught up");
        }
        Members::Promote { id } => {
            cluster.post_to_leader::<Done>(paths::PROMOTE, &MemberRequest { id }).await?;
            eprintln!("node {id} votes");
        }
        Members::Demote { id } => {
            cluster.post_to_leader::<Done>(paths::DEMOTE, &MemberRequest { id }).await?;
            eprintln!("node {id} follows the log and votes no more; `members promote` gives the vote back");
        }
        Members::Remove { id } => {
            let view = cluster.view().await?;
            if view.leader.is_some_and(|leader| leader.id == id) {
                let mut others = view.members.iter().filter(|member| member.id != id && member.role == MemberRole::Voter);
                let heir = others.next().context("it is the only voter; a cluster without voters is none")?;
                transfer(cluster, heir.id).await?;
            }
            cluster.post_to_leader::<Done>(paths::REMOVE, &MemberRequest { id }).await?;
            eprintln!("node {id} is out; stop it and delete its data, the id is used up");
        }
    }
    Ok(0)
}

/// How often leadership is offered, once a second: a node that lags just then lets an offer pass.
const MAX_OFFERS: u32 = 15;

pub(crate) async fn transfer(cluster: &Cluster, to: u64) -> anyhow::Result<u8> {
    for _ in 0..MAX_OFFERS {
        cluster.post_to_leader::<Done>(paths::TRANSFER_LEADER, &TransferLeaderRequest { to }).await?;
        for _ in 0..10 {
            if cluster.view().await?.leader.is_some_and(|leader| leader.id == to) {
                eprintln!("node {to} leads");
                return Ok(0);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    anyhow::bail!("node {to} does not lead after {MAX_OFFERS} offers; look at `status`")
}
