//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    bench, build, check,
    control::Control,
    plan::Place,
    seed, show, sqlx_prepare,
    supervisor::{self, Supervisor},
    topology::{Payments, Spec},
};

/// Run, break and test the whole storefront on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo deploy", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and start a topology: three regions, a catalog, stock
    Up(Up),
    /// Stop everything; the data stays
    Down(Named),
    /// Show every process with its addresses
    ///
    /// Exit codes: 0 all processes run, 1 nothing is up under this name, 3 some process does not run.
    Status(Listed),
    /// Print the log of one process
    Logs {
        /// Name of the process, as `status` shows it
        process: String,
        #[command(flatten)]
        at: Named,
    },
    /// Kill one process as a crash would (SIGKILL)
    Kill {
        /// Name of the process, as `status` shows it
        process: String,
        #[command(flatten)]
        at: Named,
    },
    /// Start a process that does not run
    Start {
        /// Name of the process, as `status` shows it
        process: String,
        #[command(flatten)]
        at: Named,
    },
    /// Check formatting and lints, and run every test against real servers
    Test,
    /// Make .sqlx/ anew, which the queries of `orders` are checked against; needed when a query or the schema changed
    SqlxPrepare,
    /// Measure, against a topology of its own built for speed
    Bench(bench::BenchArgs),
    /// Keep a topology in the background; `up --detach` runs this
    #[command(hide = true)]
    Supervise(Up),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Named {
    /// Name of the topology; several may run side by side
    #[arg(long, default_value = "default")]
    name: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Listed {
    #[command(flatten)]
    at: Named,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    at: Named,
    /// Regions and timings; without it, three regions
    #[arg(long)]
    topology: Option<PathBuf>,
    /// Come back when everything is ready; `cargo deploy down` stops it
    #[arg(long)]
    detach: bool,
    /// Directory of the data; without it, below target/deploy/<name>
    #[arg(long)]
    data: Option<PathBuf>,
    /// Product exports (Shopify CSV) to import first; without any, a demo catalog
    #[arg(long, num_args = 1..)]
    seed_catalog: Vec<PathBuf>,
    /// Let the inventory speak plaintext; without it, mutual TLS with certificates made below the data directory
    #[arg(long)]
    plaintext: bool,
    /// Who takes payments; without it, as the topology says
    #[arg(long, value_enum)]
    payments: Option<Payments>,
    /// Build for speed
    #[arg(long)]
    release: bool,
}

/// Runs a command; the number is the exit code.
pub fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Up(up) if up.detach => detach(&up),
        Command::Up(up) => foreground(&up, true),
        Command::Supervise(up) => foreground(&up, false),
        Command::Down(at) => {
            Control::connect(&Place::of(&at.name)?)?.down()?;
            println!("{} is down; its data stays", at.name);
            Ok(0)
        }
        Command::Status(of) => {
            let topology = Control::connect(&Place::of(&of.at.name)?)?.status()?;
            show::print(&topology, of.output)?;
            Ok(if topology.processes.iter().all(|process| process.pid.is_some()) { 0 } else { 3 })
        }
        Command::Logs { process, at } => {
            std::io::copy(&mut Place::of(&at.name)?.open_log(&process)?, &mut std::io::stdout())?;
            Ok(0)
        }
        Command::Kill { process, at } => {
            Control::connect(&Place::of(&at.name)?)?.kill(&process)?;
            println!("{process} is killed");
            Ok(0)
        }
        Command::Start { process, at } => {
            Control::connect(&Place::of(&at.name)?)?.start(&process)?;
            println!("{process} is ready");
            Ok(0)
        }
        Command::Test => check::run(),
        Command::SqlxPrepare => sqlx_prepare::run(),
        Command::Bench(args) => bench::run(&args),
    }
}

fn foreground(up: &Up, people: bool) -> anyhow::Result<u8> {
    let mut place = Place::of(&up.at.name)?;
    if let Some(data) = &up.data {
        place = place.with_data(data);
    }
    let mut spec = Spec::read(up.topology.as_deref())?;
    if up.plaintext {
        spec = spec.in_plaintext();
    }
    if let Some(payments) = up.payments {
        spec = spec.with_payments(payments);
    }
    let programs = build::services(up.release)?;
    let supervisor = Supervisor::start(place, &spec, programs)?;
    seed::seed(&supervisor, &up.seed_catalog)?;
    if people {
        show::print(&supervisor.topology(), Output::Table)?;
        println!("\n{}", show::operator(&supervisor.topology()));
        println!("\nopen http://{}\n\nCtrl-C stops everything; the data stays.", supervisor.front_door());
    }
    supervisor.announce_ready()?;
    supervisor::wait_for_stop(&supervisor)?;
    supervisor.stop();
    Ok(0)
}

fn detach(up: &Up) -> anyhow::Result<u8> {
    build::services(up.release)?;
    let place = Place::of(&up.at.name)?;
    let topology = supervisor::spawn_detached(&place, &std::env::args().skip(2).collect::<Vec<_>>())?;
    show::print(&topology, Output::Table)?;
    println!("\n{}", show::operator(&topology));
    println!("\nopen http://{}\n\n`cargo deploy down` stops everything; the data stays.", show::front_door(&topology));
    Ok(0)
}
