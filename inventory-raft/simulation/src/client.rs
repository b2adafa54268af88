//! A client: does one thing after the other, asks again until it knows what became of it, and writes down what it was told.

use std::{io, time::Duration};

use inventory_raft::stock::{Code, Command, Outcome, SkuStock};
use storefront_types::Sku;
use tokio::time::{sleep, timeout};
use turmoil::net::UdpSocket;

use crate::{
    check::{Op, What},
    dice::Dice,
    talk::{Ask, CLIENT_PORT, DATAGRAM_BYTES, Reply, host},
    workload::{Wish, Workload},
    world::World,
};

/// Commands decided before that a client may ask again.
const MAX_PAST: usize = 60;

/// Attempts at a read, and at a command of which every node says that nothing came of it, before it may be given up.
const PATIENCE: u32 = 4;

/// Who asks nodes, and where the answers come.
pub(crate) struct Caller {
    world: World,
    name: String,
    socket: UdpSocket,
    dice: Dice,
    number: u64,
    leader: Option<u64>,
}

impl Caller {
    pub(crate) async fn bind(world: World, name: String, dice: Dice) -> io::Result<Self> {
        let socket = UdpSocket::bind(("0.0.0.0", CLIENT_PORT)).await?;
        Ok(Self { world, name, socket, dice, number: 0, leader: None })
    }

    /// Asks one node and waits a while. `None`: no answer.
    pub(crate) async fn once(&mut self, ask: &Ask, patience: Duration) -> io::Result<Option<Reply>> {
        self.number += 1;
        let hosts = self.world.plan.hosts();
        let to = self.leader.take().unwrap_or_else(|| self.dice.between(1, hosts));
        let question = postcard::to_stdvec(&(self.number, ask)).map_err(io::Error::other)?;
        // A node that is down is found out by its silence.
        let _ = self.socket.send_to(&question, (host(to), CLIENT_PORT)).await;
        let Ok(reply) = timeout(patience, self.answer()).await else { return Ok(None) };
        let reply = reply?;
        self.leader = if let Reply::Refused { leader } = &reply { leader.filter(|leader| *leader != to) } else { Some(to) };
        Ok(Some(reply))
    }

    async fn answer(&self) -> io::Result<Reply> {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let (length, _) = self.socket.recv_from(&mut buffer).await?;
            match postcard::from_bytes::<(u64, Reply)>(&buffer[..length]) {
                Ok((number, reply)) if number == self.number => return Ok(reply),
                _ => {}
            }
        }
    }

    async fn pause(&mut self) {
        sleep(self.dice.ms(1, 60)).await;
    }
}

/// What came of asking again and again.
enum Came {
    Reply(Reply),
    /// Every node that was asked said that certainly nothing happened.
    Nothing,
}

pub(crate) struct Client {
    caller: Caller,
    workload: Workload,
    /// Commands that were decided, to be asked again.
    past: Vec<Command>,
}

/// Runs until the faults are over and everything is known.
pub(crate) async fn run(world: World, number: u64, mut dice: Dice) -> turmoil::Result {
    let workload = Workload::new(dice.fork());
    let caller = Caller::bind(world.clone(), format!("c{number}"), dice).await?;
    let mut client = Client { caller, workload, past: Vec::new() };
    if number == 1 {
        let first = client.workload.first_stock();
        client.command(first, true).await?;
        world.state().is_stocked = true;
    }
    while !world.state().is_stocked {
        client.caller.pause().await;
    }
    while !world.state().is_calm {
        client.next().await?;
    }
    client.finish().await?;
    Ok(())
}

impl Client {
    fn now() -> Duration {
        turmoil::sim_elapsed().unwrap_or_default()
    }

    async fn next(&mut self) -> io::Result<()> {
        if self.caller.dice.percent(60) {
            self.caller.pause().await;
        }
        if !self.past.is_empty() && self.caller.dice.percent(12) {
            let again = self.caller.dice.pick(&self.past).clone();
            return self.command(vec![again], false).await;
        }
        match self.workload.next() {
            Wish::Read(sku) => self.read(sku, false).await,
            Wish::Commands(commands) => self.command(commands, false).await,
        }
    }

    /// Everything that was answered is answered the same again, and what there is now is read.
    async fn finish(&mut self) -> io::Result<()> {
        for command in std::mem::take(&mut self.past) {
            self.command(vec![command], true).await?;
        }
        for sku in self.workload.skus() {
            self.read(sku, true).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, ask: &Ask, must: bool) -> io::Result<Came> {
        let (mut attempts, mut is_certain) = (0, true);
        let changes = matches!(ask, Ask::Submit(_));
        loop {
            let patience = self.caller.dice.ms(150, 1_500);
            match self.caller.once(ask, patience).await? {
                Some(Reply::Refused { .. }) => {}
                Some(Reply::Unknown) | None => is_certain = false,
                Some(reply) => return Ok(Came::Reply(reply)),
            }
            attempts += 1;
            let may_give_up = !must && attempts >= PATIENCE && (is_certain || !changes);
            if may_give_up && self.caller.dice.percent(25) {
                return Ok(Came::Nothing);
            }
            self.caller.pause().await;
        }
    }

    async fn read(&mut self, sku: Sku, must: bool) -> io::Result<()> {
        let asked = Self::now();
        let ask = Ask::Read { sku: sku.clone(), linearizable: true };
        let Came::Reply(Reply::Stock(stock)) = self.ask(&ask, must).await? else { return Ok(()) };
        self.noted(&format_args!("reads {sku}: {}", summary(stock.as_ref())));
        self.add(asked, What::Read { sku, stock });
        Ok(())
    }

    async fn command(&mut self, commands: Vec<Command>, must: bool) -> io::Result<()> {
        let asked = Self::now();
        match self.ask(&Ask::Submit(commands.clone()), must).await? {
            Came::Reply(Reply::Outcomes(outcomes)) if outcomes.len() == commands.len() => {
                for (command, outcome) in commands.into_iter().zip(outcomes) {
                    self.noted(&format_args!("{outcome:?} for {command:?}"));
                    self.decided(&command, &outcome);
                    self.add(asked, What::Command { command, outcome: Some(outcome) });
                }
            }
            Came::Reply(other) => {
                let (name, count) = (&self.caller.name, commands.len());
                self.caller.world.state().violated(format!("{name} asked {count} commands and was told {other:?}"));
            }
            Came::Nothing => {
                for command in commands {
                    self.noted(&format_args!("gives up {command:?}"));
                    self.add(asked, What::GivenUp { command });
                }
            }
        }
        Ok(())
    }

    fn decided(&mut self, command: &Command, outcome: &Outcome) {
        let again = match command {
            Command::Reserve { id, .. } => {
                if outcome.code == Code::Ok && !outcome.replayed {
                    self.workload.made(*id);
                }
                true
            }
            Command::Purchase { .. } | Command::Receive { .. } | Command::Adjust { .. } | Command::Move { .. } => true,
            Command::Count { .. } => true,
            _ => false,
        };
        if again && !outcome.replayed && self.past.len() < MAX_PAST {
            self.past.push(command.clone());
        }
    }

    fn noted(&self, line: &std::fmt::Arguments<'_>) {
        self.caller.world.note(&format_args!("{} {line}", self.caller.name));
    }

    fn add(&self, asked: Duration, what: What) {
        self.caller.world.state().add(Op { asked, answered: Some(Self::now()), what });
    }
}

fn summary(stock: Option<&SkuStock>) -> String {
    stock.map_or_else(
        || "nothing".to_owned(),
        |stock| format!("version {}, {} on hand, {} reserved", stock.version, stock.on_hand(), stock.reserved()),
    )
}
