//! What clients ask for: few SKUs with little stock, so that they get into each other's way.

use inventory_raft::stock::{Command, Line};
use storefront_types::{CommandId, LocationId, Quantity, ReservationId, Sku};
use uuid::Uuid;

use crate::dice::Dice;

const SKUS: [&str; 3] = ["hot", "warm", "cold"];
const LOCATIONS: [&str; 2] = ["east-1", "west-1"];

/// Units that every SKU begins with at every location.
const FIRST_STOCK: Quantity = units(12);
const ONE: Quantity = units(1);

const fn units(units: u32) -> Quantity {
    match Quantity::new(units) {
        Ok(quantity) => quantity,
        Err(_) => panic!("not a quantity"),
    }
}

/// Longer than a run: such a hold does not end by itself.
const LONG_TTL_MS: u64 = 1_000_000;

/// Reservations of its own that a client goes on with.
const MAX_HELD: usize = 8;

pub(crate) struct Workload {
    dice: Dice,
    skus: Vec<Sku>,
    locations: Vec<LocationId>,
    held: Vec<ReservationId>,
}

/// What a client does next.
pub(crate) enum Wish {
    Commands(Vec<Command>),
    Read(Sku),
}

impl Workload {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            dice,
            skus: SKUS.iter().filter_map(|name| Sku::parse(name).ok()).collect(),
            locations: LOCATIONS.iter().filter_map(|name| name.parse().ok()).collect(),
            held: Vec::new(),
        }
    }

    pub(crate) fn skus(&self) -> Vec<Sku> {
        self.skus.clone()
    }

    /// An id without an age, so that it never gets too old or comes from the future.
    fn id(&mut self) -> Uuid {
        let (high, low) = (self.dice.draw(), self.dice.draw());
        Uuid::new_v8((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    fn sku(&mut self) -> Sku {
        self.dice.pick(&self.skus).clone()
    }

    fn location(&mut self) -> LocationId {
        self.dice.pick(&self.locations).clone()
    }

    fn units(&mut self, most: u64) -> Quantity {
        let drawn = u32::try_from(self.dice.between(1, most)).unwrap_or(1);
        Quantity::new(drawn).unwrap_or(ONE)
    }

    /// The stock that there is before anything else happens.
    pub(crate) fn first_stock(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for sku in self.skus() {
            for location in self.locations.clone() {
                let id = CommandId::new(self.id());
                commands.push(Command::Receive { id, sku: sku.clone(), location, quantity: FIRST_STOCK });
            }
        }
        commands
    }

    pub(crate) fn next(&mut self) -> Wish {
        if self.dice.percent(35) {
            return Wish::Read(self.sku());
        }
        let together = if self.dice.percent(15) { self.dice.between(2, 4) } else { 1 };
        Wish::Commands((0..together).map(|_| self.command()).collect())
    }

    /// Takes note of a reservation that was made.
    pub(crate) fn made(&mut self, id: ReservationId) {
        if self.held.len() == MAX_HELD {
            self.held.remove(0);
        }
        self.held.push(id);
    }

    fn command(&mut self) -> Command {
        let stock = self.dice.below(100);
        if stock >= 40 && !self.held.is_empty() && stock < 75 {
            return self.follow_up();
        }
        let (id, sku, location) = (CommandId::new(self.id()), self.sku(), self.location());
        match stock {
            75..83 => Command::Receive { id, sku, location, quantity: self.units(10) },
            83..90 => {
                let delta = i64::try_from(self.dice.between(0, 12)).unwrap_or_default() - 8;
                Command::Adjust { id, sku, location, delta }
            }
            90..95 => Command::Move { id, sku, from: location, to: self.location(), quantity: self.units(5) },
            95..100 => {
                let expected = self.dice.percent(70).then(|| self.dice.between(0, 15));
                Command::Count { id, sku, location, expected, on_hand: self.dice.between(0, 20) }
            }
            _ => self.reserve(),
        }
    }

    fn reserve(&mut self) -> Command {
        let id = ReservationId::new(self.id());
        let first = self.dice.below(self.skus.len() as u64);
        let lines = if self.dice.percent(25) { 2 } else { 1 };
        let lines = (first..first + lines).map(|at| self.line(at)).collect();
        let memo = self.dice.percent(20).then(|| "for somebody".to_owned());
        match self.dice.below(10) {
            0..4 => Command::Purchase { id, lines, memo },
            4..7 => Command::Reserve { id, lines, ttl_ms: self.dice.between(100, 2_000), memo },
            _ => Command::Reserve { id, lines, ttl_ms: LONG_TTL_MS, memo },
        }
    }

    fn line(&mut self, at: u64) -> Line {
        let sku = self.skus[usize::try_from(at).unwrap_or_default() % self.skus.len()].clone();
        let locations = if self.dice.percent(50) { Vec::new() } else { vec![self.location()] };
        Line { sku, quantity: self.units(5), locations, may_split: self.dice.percent(50) }
    }

    fn follow_up(&mut self) -> Command {
        let id = *self.dice.pick(&self.held);
        match self.dice.below(10) {
            0..4 => Command::Confirm { id },
            4..8 => Command::Release { id },
            8 => Command::Extend { id, ttl_ms: self.dice.between(100, 3_000) },
            _ => Command::Acknowledge { ids: self.held.clone() },
        }
    }
}
