//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use storefront_tls::{Tls, TlsArgs};

use crate::{import, ledger, members, remote::Cluster, snapshot, status, stock};

/// The command was refused or failed.
pub(crate) const FAILED: u8 = 1;
/// No node answered.
pub(crate) const UNREACHABLE: u8 = 3;
/// What was looked at is not as it should be: an alarm is on, a member is away, states differ.
pub(crate) const NOT_WELL: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// Look after an inventory cluster
///
/// Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no node answers, 4 the cluster is not well (an alarm is on, a member
/// does not answer, states differ).
#[derive(Debug, Parser)]
#[command(name = "inventoryctl", version)]
pub(crate) struct Cli {
    /// host:port of client APIs, separated by commas; one that answers is enough, the others are learned from it
    #[arg(long, env = "INVENTORY_ENDPOINTS", value_delimiter = ',', default_value = "127.0.0.1:7000", global = true)]
    endpoints: Vec<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// A table for people, JSON for programs
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every member: role, term, places in the log, disk, alarms
    Status,
    /// Change who belongs to the cluster
    #[command(subcommand)]
    Members(Members),
    /// Hand leadership to another voter
    TransferLeader {
        /// Id of the voter that shall lead
        #[arg(long)]
        to: u64,
    },
    /// Take, save, look into and restore snapshots
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Compare the state of all members at one place in the log
    Hash,
    /// Show what is wrong
    Alarms,
    /// Follow stock changes until interrupted
    Watch {
        /// Token to go on after; without, from now on
        #[arg(long)]
        after: Option<String>,
        /// End after so many changes
        #[arg(long)]
        count: Option<usize>,
    },
    /// Show the stock of a SKU, or of many in order of name
    Stock {
        sku: Option<String>,
        /// SKUs shown without a name, at most 200
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show what moved the stock of a SKU: an opening balance, the movements, oldest first, and what they lead to
    ///
    /// Everything of the last 48 hours at least is kept one by one; what was before is in the opening balance. Says with exit code 4
    /// if the opening balance and the movements do not make the closing balance.
    Ledger {
        sku: String,
        /// Only so many of the newest movements
        #[arg(long, default_value_t = 50)]
        last: u64,
    },
    /// Set what is on hand from an inventory sheet (CSV with SKU, Location, On hand (current), On hand (new))
    ///
    /// A row is taken only if the current value is what is on hand now. Empty and "not stocked" rows are passed over. Rows that
    /// are wrong are named with line and column and the others are taken; the exit code is then 1. The same file twice changes nothing.
    Import {
        file: PathBuf,
        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Take the new values whatever is on hand now
        #[arg(long)]
        overwrite: bool,
        /// Id of a location by its name in the sheet: "Main Street=eu-1"; else the name in lower case with '-' for what is no letter or digit
        #[arg(long = "location")]
        locations: Vec<String>,
    },
    /// Show a reservation, or those of one state
    Reservations {
        id: Option<String>,
        /// reserved, confirmed, acknowledged, released or expired
        #[arg(long, default_value = "confirmed")]
        state: String,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Members {
    /// Show the members
    List,
    /// Let a node that runs without --bootstrap follow the log; it does not vote yet
    AddLearner {
        /// An id that no node of this cluster ever had
        #[arg(long)]
        id: u64,
        #[arg(long)]
        region: String,
        /// host:port of its client API
        #[arg(long)]
        client: String,
        /// host:port of its Raft RPCs
        #[arg(long)]
        raft: String,
    },
    /// Let a learner that has caught up vote
    Promote {
        #[arg(long)]
        id: u64,
    },
    /// Take a voter's vote; it goes on following the log, and may be promoted again. A leader hands over
    Demote {
        #[arg(long)]
        id: u64,
    },
    /// Take a node out; its id is never used again
    Remove {
        #[arg(long)]
        id: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Let the leader take a snapshot and save it to a file
    Save { file: PathBuf },
    /// Check a snapshot file and show what is in it
    Inspect { file: PathBuf },
    /// Make the data directory of a node of a new cluster from a snapshot; run it for each first member
    Restore {
        file: PathBuf,
        /// Directory to make; it must not exist or be empty
        #[arg(long)]
        data_dir: PathBuf,
        /// Name of the new cluster, so that its nodes and those of the old one refuse each other
        #[arg(long)]
        cluster_id: String,
        #[arg(long)]
        node_id: u64,
        /// Members of the new cluster: ID=REGION@CLIENT_HOST:PORT@RAFT_HOST:PORT, separated by commas
        #[arg(long, value_delimiter = ',', required = true)]
        peers: Vec<inventory_raft::PeerArg>,
    },
}

pub(crate) async fn run(cli: Cli) -> anyhow::Result<u8> {
    let output = cli.output;
    let open = || anyhow::Ok(Cluster::new(cli.endpoints, cli.tls.choose()?.map(Tls::open).transpose()?));
    match cli.command {
        Command::Status => status::status(&open()?, output).await,
        Command::Hash => status::hash(&open()?, output).await,
        Command::Alarms => status::alarms(&open()?, output).await,
        Command::Members(of) => members::run(&open()?, output, of).await,
        Command::TransferLeader { to } => members::transfer(&open()?, to).await,
        Command::Snapshot(of) => snapshot::run(open, output, of).await,
        Command::Watch { after, count } => stock::watch(&open()?, output, after, count).await,
        Command::Stock { sku, limit } => stock::stock(&open()?, output, sku, limit).await,
        Command::Ledger { sku, last } => ledger::ledger(&open()?, output, &sku, last).await,
        Command::Import { file, dry_run, overwrite, locations } => {
            import::run(&open()?, output, &import::Import { file, dry_run, overwrite, locations }).await
        }
        Command::Reservations { id, state, limit } => stock::reservations(&open()?, output, id, &state, limit).await,
    }
}
