//! `chaos list`

use std::process::ExitCode;

use chaos::{
    drill::DRILLS,
    fault::{CATALOG, Entry, Injector},
    kubernetes::FAULTS,
};
use clap::Args;
use comfy_table::Table;
use serde_json::{Value, json};

use super::{
    Of, Output,
    kubernetes::{Ground, KubernetesArgs},
};

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Where, if not on this machine
    #[arg(long, value_enum)]
    target: Option<Ground>,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
}

fn entry(entry: &Entry) -> Value {
    let parameter =
        |one: &chaos::fault::Parameter| json!({"name": one.name, "default": one.default, "least": one.least, "most": one.most});
    let parameters: Vec<Value> = entry.parameters.iter().map(parameter).collect();
    json!({"name": entry.name, "about": entry.about, "parameters": parameters, "needs": entry.needs.flag()})
}

async fn in_cluster(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let active = args.kubernetes.open()?.active().await?;
    if args.of.output == Output::Json {
        let faults: Vec<Value> = CATALOG.iter().filter(|one| FAULTS.contains(&one.name)).map(entry).collect();
        println!("{}", json!({"faults": faults, "active": active}));
        return Ok(ExitCode::SUCCESS);
    }
    println!("faults in a cluster: {}", FAULTS.join(", "));
    for one in active {
        println!("now: {} at {}, until {}", one.fault, one.object, one.expires.as_deref().unwrap_or("it is healed"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    if args.target == Some(Ground::Kubernetes) {
        return in_cluster(args).await;
    }
    // Without a topology there is still what could be done.
    let active = match Injector::open(&args.of.at.file()).await {
        Ok(injector) => Some(injector.active().await?),
        Err(_) => None,
    };
    if args.of.output == Output::Json {
        let drills = DRILLS.map(|drill| json!({"name": drill.name, "runbook": drill.runbook()}));
        let active = active.map(|(holds, links)| json!({"processes": holds, "links": links}));
        println!("{}", json!({"faults": CATALOG.iter().map(entry).collect::<Vec<_>>(), "drills": drills, "active": active}));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.set_header(["fault", "what it does", "parameters", "needs"]);
    for entry in &CATALOG {
        let parameter = |one: &chaos::fault::Parameter| format!("{}={} ({} to {})", one.name, one.default, one.least, one.most);
        let parameters = entry.parameters.iter().map(parameter).collect::<Vec<_>>().join(", ");
        table.add_row([entry.name, entry.about, &parameters, entry.needs.flag()]);
    }
    println!("{table}");
    println!(
        "targets: leader, follower, quorum-minus-one, region:NAME, region-of(TARGET), random(TARGET), KIND, KIND:REGION, a process"
    );
    println!("drills: {}", DRILLS.map(|drill| drill.name).join(", "));
    if let Some((holds, faults)) = active {
        for hold in holds {
            let because = hold.because.map(|because| format!(" ({because})")).unwrap_or_default();
            println!(
                "now: {} is {:?} at {}, for {} ms more{because}",
                hold.id,
                hold.fault,
                hold.processes.join(", "),
                hold.left_ms
            );
        }
        for fault in faults {
            println!("now: {} at {} links, for {} ms more", fault.id, fault.links.len(), fault.left_ms);
        }
    }
    Ok(ExitCode::SUCCESS)
}
