//! `chaos inject`

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::Context;
use chaos::{
    experiment,
    fault::{Fault, Injector, Proof, Target, plan},
};
use clap::Args;
use serde_json::json;
use storefront_service::shutdown_on_signal;
use uuid::Uuid;

use super::{
    Of, Output,
    kubernetes::{self, KubernetesArgs, Victim},
};

#[derive(Args)]
pub(crate) struct InjectArgs {
    /// Name of a fault, as `chaos list` has it
    fault: String,
    /// Whom it is at: leader, follower, region-of(leader), edge:eu, postgres, random(follower), a process, ...; kubernetes:TARGET for the
    /// same in a cluster
    #[arg(long)]
    target: Victim,
    /// How long: 500ms, 10s, 5m
    #[arg(long = "for", default_value = "10s", value_parser = time)]
    time: Duration,
    /// A parameter of the fault, NAME=NUMBER; may be given several times
    #[arg(long = "set", value_parser = parameter)]
    parameters: Vec<(String, i64)>,
    /// It heals so long after this program's last word
    #[arg(long, default_value = "5s", value_parser = time)]
    lease: Duration,
    /// Draws who is meant by random(...)
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
}

fn time(text: &str) -> Result<Duration, String> {
    match experiment::time(text) {
        Ok(time) if time.is_zero() => Err("1ms is the least".to_owned()),
        read => read.map_err(|error| error.to_string()),
    }
}

fn parameter(text: &str) -> Result<(String, i64), String> {
    let shape = || format!("{text:?} is not NAME=NUMBER");
    let (name, number) = text.split_once('=').ok_or_else(shape)?;
    Ok((name.to_owned(), number.parse().map_err(|_| shape())?))
}

pub(crate) async fn run(args: InjectArgs) -> anyhow::Result<ExitCode> {
    let parameters: BTreeMap<String, i64> = args.parameters.iter().cloned().collect();
    let fault = match Fault::parse(&args.fault, &parameters) {
        Ok(fault) => fault,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(2));
        }
    };
    let id = format!("{}-{}", args.fault, &Uuid::new_v4().simple().to_string()[..8]);
    match &args.target {
        Victim::Here(target) => here(&args, fault, target, &id).await,
        Victim::Cluster(target) => in_cluster(&args, fault, target, &id).await,
    }
}

async fn in_cluster(args: &InjectArgs, fault: Fault, target: &Target, id: &str) -> anyhow::Result<ExitCode> {
    let planned = kubernetes::planned(&args.kubernetes, &args.fault, fault, target, args.seed).await?;
    // Whoever wants this to end now wants it healed.
    let stop = shutdown_on_signal();
    let injected = tokio::select! {
        injected = planned.cluster.inject(id, planned.deeds, args.lease) => injected?,
        () = stop.cancelled() => anyhow::bail!("stopped while the fault was injected; `chaos heal --all --target kubernetes` heals what is there"),
    };
    let held = async {
        let proof = injected.proof().await;
        say(args, id, &planned.targets, Some(&proof));
        tokio::time::sleep(args.time).await;
        proof
    };
    let proof = tokio::select! {
        proof = held => Some(proof),
        () = stop.cancelled() => None,
    };
    let was_lost = injected.was_lost();
    injected.heal().await.context("the fault is not healed; `chaos heal --all --target kubernetes` tries again")?;
    Ok(ended(args, proof.as_ref(), was_lost))
}

fn ended(args: &InjectArgs, proof: Option<&Proof>, was_lost: bool) -> ExitCode {
    if args.of.output == Output::Table {
        println!("healed");
    }
    match proof {
        Some(proof) if !proof.bit() || was_lost => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}

async fn here(args: &InjectArgs, fault: Fault, target: &Target, id: &str) -> anyhow::Result<ExitCode> {
    let injector = Injector::open(&args.of.at.file()).await?;
    let snapshot = injector.snapshot().await?;
    let targets = target.resolve(&snapshot, args.seed)?;
    let action = plan(fault, &targets, &snapshot)?;
    // Whoever wants this to end now wants it healed.
    let stop = shutdown_on_signal();
    let injected = tokio::select! {
        injected = injector.inject(id, action, args.lease) => injected?,
        () = stop.cancelled() => anyhow::bail!("stopped while the fault was injected; it heals within {:?}", args.lease),
    };
    let held = async {
        let proof = injected.proof().await;
        say(args, id, &targets, proof.as_ref().ok());
        tokio::time::sleep(args.time).await;
        proof
    };
    let proof = tokio::select! {
        proof = held => Some(proof),
        () = stop.cancelled() => None,
    };
    let was_there = injected.heal().await.context("the fault is not healed; it heals when its lease is over")?;
    Ok(ended(args, proof.transpose()?.as_ref(), !was_there))
}

fn say(args: &InjectArgs, id: &str, targets: &[String], proof: Option<&Proof>) {
    if args.of.output == Output::Json {
        return println!("{}", json!({"id": id, "fault": args.fault, "targets": targets, "proof": proof}));
    }
    let verdict = match proof {
        Some(Proof::Bit(what)) => format!("took effect: {what}"),
        Some(Proof::Missed(why)) => format!("DID NOT TAKE EFFECT: {why}"),
        None => "could not be looked at".to_owned(),
    };
    println!("{} at {} {verdict}", args.fault, targets.join(", "));
}
