//! The command line.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use deploy_api::Control;

use crate::{
    bench, build, check, detached,
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
    /// Show every link between processes, and what is wrong with it now
    Links(Listed),
    /// Print the log of one process
    Logs {
        /// Name of the process, as `status` shows it
        process: String,
        #[command(flatten)]
        at: Named,
    },
    /// Kill processes as a crash would (SIGKILL), all at once
    Kill(Several),
    /// Start processes that do not run, all at once
    ///
    /// Comes back when they are ready. What cannot work yet, as an inventory node without a majority, only has to run.
    Start(Several),
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

/// Some processes of a topology.
#[derive(Clone, Debug, Args)]
pub(crate) struct Several {
    /// Names of processes, as `status` shows them
    #[arg(required_unless_present = "region")]
    processes: Vec<String>,
    /// Everything of a region, as when it is lost or comes back
    #[arg(long, conflicts_with = "processes")]
    region: Option<String>,
    #[command(flatten)]
    at: Named,
}

impl Several {
    /// The names meant; of a region, those that run or that do not.
    fn names(&self, control: &Control, running: bool) -> anyhow::Result<Vec<String>> {
        let Some(region) = &self.region else { return Ok(self.processes.clone()) };
        let topology = control.status()?;
        let regions: BTreeSet<&str> = topology.processes.iter().map(|process| process.region.as_str()).collect();
        ensure!(regions.contains(region.as_str()), "there is no region {region:?}; there are {regions:?}");
        let meant = topology.processes.iter().filter(|process| &process.region == region && process.pid.is_some() == running);
        Ok(meant.map(|process| process.name.clone()).collect())
    }
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
    /// three-regions, one-region, ha (a PostgreSQL that outlives a region), or a file; without it, three regions
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
    /// Lead every connection between processes through a link that can be made bad
    #[arg(long)]
    links: bool,
    /// Put the regions as far from each other as Europe, the United States and Asia are: 80, 150 and 220 ms there and back
    #[arg(long)]
    wan: bool,
    /// Give the inventory's nodes disks that can be made full or fail, and clocks that can be set
    #[arg(long)]
    fault_points: bool,
    /// Run a drill controller, so that operators see everything and start drills at /operate of the edges' admin ports
    #[arg(long)]
    drills: bool,
    /// Build for speed
    #[arg(long)]
    release: bool,
}

impl Up {
    /// The topology with what was asked for besides.
    fn spec(&self) -> anyhow::Result<Spec> {
        let mut spec = Spec::read(self.topology.as_deref())?;
        if self.plaintext {
            spec = spec.in_plaintext();
        }
        if let Some(payments) = self.payments {
            spec = spec.with_payments(payments);
        }
        if self.links {
            spec = spec.with_links();
        }
        if self.wan {
            spec = spec.with_wan();
        }
        if self.drills {
            spec = spec.with_drills();
        }
        Ok(if self.fault_points { spec.with_fault_points() } else { spec })
    }
}

/// Runs a command; the number is the exit code.
pub fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Up(up) if up.detach => detach(&up),
        Command::Up(up) => foreground(&up, true),
        Command::Supervise(up) => foreground(&up, false),
        Command::Down(at) => {
            Place::of(&at.name)?.control()?.down()?;
            println!("{} is down; its data stays", at.name);
            Ok(0)
        }
        Command::Status(of) => {
            let topology = Place::of(&of.at.name)?.control()?.status()?;
            show::print(&topology, of.output)?;
            Ok(if topology.processes.iter().all(|process| process.pid.is_some()) { 0 } else { 3 })
        }
        Command::Links(of) => {
            show::print_links(&Place::of(&of.at.name)?.control()?, of.output)?;
            Ok(0)
        }
        Command::Logs { process, at } => {
            std::io::copy(&mut Place::of(&at.name)?.open_log(&process)?, &mut std::io::stdout())?;
            Ok(0)
        }
        Command::Kill(several) => {
            let control = Place::of(&several.at.name)?.control()?;
            let names = several.names(&control, true)?;
            control.kill(&names)?;
            names.iter().for_each(|name| println!("{name} is killed"));
            Ok(0)
        }
        Command::Start(several) => {
            let control = Place::of(&several.at.name)?.control()?;
            let names = several.names(&control, false)?;
            let early = control.start(&names)?;
            for name in &names {
                let so_far = if early.contains(name) { "runs, and is ready when what it needs runs as well" } else { "is ready" };
                println!("{name} {so_far}");
            }
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
    let spec = up.spec()?;
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
    let topology = detached::spawn(&place, &std::env::args().skip(2).collect::<Vec<_>>())?;
    show::print(&topology, Output::Table)?;
    println!("\n{}", show::operator(&topology));
    println!("\nopen http://{}\n\n`cargo deploy down` stops everything; the data stays.", show::front_door(&topology));
    Ok(0)
}
