//! Reading and changing carts over both stores.

use redis::aio::ConnectionManager;
use storefront_types::{OrderId, ShopperId};
use uuid::Uuid;

use super::{
    ChangeError, Stored,
    behind::behind,
    lines::remember,
    look::{Found, Looks},
    record::{Record, Row, Write},
    region::{RegionStore, Unwritten},
};
use crate::{
    database::{Connections, DatabaseError},
    spare::Spare,
};

/// Attempts when somebody else changed the cart in between. Each time somebody succeeded, so that of as many changes at once all succeed: more
/// than one shopper's tabs send.
const ATTEMPTS: usize = 32;

/// Carts written behind at once: they share statements.
const BEHIND_AT_ONCE: usize = 256;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CartError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Neither store can answer, or the cart changes all the time: try later.
    #[error("carts cannot be read or written now: {0}")]
    Unavailable(String),
}

impl From<DatabaseError> for CartError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn restless() -> CartError {
    CartError::Unavailable("the cart changes all the time".to_owned())
}

/// A cart, and what a change of it goes on from.
pub(crate) struct Seen {
    pub(crate) cart: Stored,
    /// `None`: PostgreSQL has this cart, or is away and had it.
    unwritten: Option<Unwritten>,
    /// PostgreSQL has just said so.
    pub(crate) has_record: bool,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Carts {
    pub(super) sql: Connections,
    record: Record,
    pub(super) region: RegionStore,
    looks: Looks,
    /// What only Redis has, once more.
    spare: Spare<ShopperId, Unwritten>,
}

impl Carts {
    pub(crate) fn new(sql: Connections, redis: ConnectionManager) -> Self {
        let (region, spare) = (RegionStore::new(redis), Spare::new());
        let record = Record::new(sql.clone(), region.clone());
        let looks = Looks::new(record.clone(), region.clone(), spare.clone());
        Self { sql, record, region, looks, spare }
    }

    pub(crate) async fn see(&self, shopper: ShopperId) -> Result<Seen, CartError> {
        self.look(shopper, false).await
    }

    /// The copy that the region's Redis has of a cart, where the region has nothing of it that PostgreSQL has not. `None`: PostgreSQL has to be asked.
    pub(crate) async fn copied(&self, shopper: ShopperId) -> Option<Stored> {
        if self.spare.get(shopper).is_some() {
            return None;
        }
        let one = [shopper];
        let (beside, copies) = tokio::join!(self.region.beside(&one), self.region.copies(&one));
        if beside?.unwritten.contains_key(&shopper) { None } else { copies?.remove(&shopper) }
    }

    /// A cart as PostgreSQL has it; an empty one where it has none. Whatever this region keeps of it is another region's business.
    pub(crate) async fn recorded(&self, shopper: ShopperId) -> Result<Stored, DatabaseError> {
        self.record.look(shopper).await
    }

    /// `new`: the shopper has no cart anywhere, which need not be asked.
    async fn look(&self, shopper: ShopperId, new: bool) -> Result<Seen, CartError> {
        let found = self.looks.at(shopper).await;
        let seen = |cart, unwritten, has_record| Seen { cart, unwritten, has_record };
        Ok(match found {
            Ok(Found::Recorded(row)) => seen(row.cart, None, true),
            Ok(Found::Behind(row, unwritten)) => seen(self.unite(shopper, row, &unwritten).await?, None, true),
            Ok(Found::Unwritten(unwritten)) => seen(unwritten.cart.clone(), Some(unwritten), false),
            Ok(Found::Copied(Some(cart))) => seen(cart, None, false),
            Ok(Found::Copied(None)) if new => seen(Stored::default(), None, false),
            Ok(Found::Copied(None)) => return Err(DatabaseError::Away.into()),
            Err(error) => return Err(error.into()),
        })
    }

    /// Changes the cart of a shopper who has none yet, which also works while PostgreSQL cannot say so.
    pub(crate) async fn begin<T>(
        &self,
        shopper: ShopperId,
        change: impl FnMut(&mut Stored) -> Result<T, ChangeError>,
    ) -> Result<(Stored, T), CartError> {
        let seen = self.look(shopper, true).await?;
        self.change_seen(shopper, seen, change).await
    }

    /// Changes a cart and counts its version up; a change that leaves it as it is writes nothing. `change` may be asked several times.
    pub(crate) async fn change_seen<T>(
        &self,
        shopper: ShopperId,
        mut seen: Seen,
        mut change: impl FnMut(&mut Stored) -> Result<T, ChangeError>,
    ) -> Result<(Stored, T), CartError> {
        for _ in 0..ATTEMPTS {
            let mut cart = seen.cart.clone();
            let told = change(&mut cart)?;
            if cart == seen.cart {
                return Ok((cart, told));
            }
            cart.version += 1;
            if self.write(shopper, seen, &cart).await? {
                return Ok((cart, told));
            }
            // Somebody else wrote it, so it is there.
            seen = self.see(shopper).await?;
        }
        Err(restless())
    }

    /// `false`: somebody else changed the cart.
    async fn write(&self, shopper: ShopperId, seen: Seen, cart: &Stored) -> Result<bool, CartError> {
        let stamp = Uuid::new_v4();
        let mut why = DatabaseError::Away;
        if seen.has_record {
            let write = Write { shopper, was: seen.cart.version, cart: cart.clone(), stamp, taken: None };
            match self.record.write(write).await {
                Ok(written) => return Ok(written),
                // It may have been written all the same: the stamp tells later.
                Err(error) => why = error,
            }
        }
        let was = seen.cart.version;
        let (stamp, base) = seen.unwritten.map_or((stamp, seen.cart), |before| (before.stamp, before.base));
        let unwritten = Unwritten { stamp, base, cart: cart.clone() };
        // Memory alone would be too little to tell a shopper that it is kept.
        let held = self.region.hold(shopper, was, &unwritten).await.ok_or(why)?;
        if held {
            self.spare.keep(shopper, unwritten);
        }
        Ok(held)
    }

    /// Writes what PostgreSQL has not got yet of a cart, once; gives the cart.
    async fn unite(&self, shopper: ShopperId, mut row: Row, unwritten: &Unwritten) -> Result<Stored, CartError> {
        for _ in 0..ATTEMPTS {
            let mut cart = row.cart.clone();
            if let Some(united) = behind(&row, unwritten) {
                let (was, taken) = (row.cart.version, Some(unwritten.cart.clone()));
                let write = Write { shopper, was, cart: united.clone(), stamp: unwritten.stamp, taken };
                if !self.record.write(write).await? {
                    row = self.record.read(&[shopper]).await?.remove(&shopper).unwrap_or_default();
                    continue;
                }
                cart = united;
            }
            self.region.forget(shopper, unwritten).await;
            self.spare.forget(shopper, unwritten);
            return Ok(cart);
        }
        Err(restless())
    }

    /// Puts into Redis that the cart was emptied with its order.
    pub(crate) async fn emptied(&self, shopper: ShopperId, mut cart: Stored, order: OrderId) {
        cart.version += 1;
        cart.lines.clear();
        remember(&mut cart.bought, Some(order));
        self.region.copy(&[(shopper, &cart)]).await;
    }

    /// Empties the cart if it still has the version that was bought, and remembers the order: a cart that remembers it was emptied for it before,
    /// and what is in it now came later. What was done before, Redis may not know.
    pub(crate) async fn settle(&self, shopper: ShopperId, version: i64, order: Option<OrderId>) -> Result<(), CartError> {
        self.settle_if(shopper, (version, order), |_| true).await
    }

    /// The same for a cart that was bought by a copy of it. Where the record has another version and does not remember the order, nobody here knows
    /// which version was bought, and the cart stays as it is: the order's event knows.
    pub(crate) async fn settle_copied(&self, shopper: ShopperId, version: i64, order: Option<OrderId>) -> Result<(), CartError> {
        let is_it = |cart: &Stored| cart.version == version || order.is_some_and(|order| cart.bought.contains(&order));
        self.settle_if(shopper, (version, order), is_it).await
    }

    /// `is_it` is asked of the cart that is changed, each time somebody else changed it in between.
    async fn settle_if(
        &self,
        shopper: ShopperId,
        (version, order): (i64, Option<OrderId>),
        is_it: impl Fn(&Stored) -> bool,
    ) -> Result<(), CartError> {
        let empty = |cart: &mut Stored| {
            if !is_it(cart) {
                return Ok(());
            }
            if cart.version == version && !order.is_some_and(|order| cart.bought.contains(&order)) {
                cart.lines.clear();
            }
            remember(&mut cart.bought, order);
            Ok(())
        };
        let seen = self.see(shopper).await?;
        let was = seen.cart.version;
        let (cart, ()) = self.change_seen(shopper, seen, empty).await?;
        if cart.version == was {
            self.region.copy(&[(shopper, &cart)]).await;
        }
        Ok(())
    }

    /// Writes behind what PostgreSQL missed. Gives how many carts were written.
    pub(crate) async fn write_behind(&self) -> Result<usize, CartError> {
        // Nothing is tried while PostgreSQL is away.
        self.record.read(&[]).await?;
        let mut written = self.write_all(self.spare.all()).await?;
        let mut cursor = 0;
        while let Some((next, unwritten)) = self.region.all_unwritten(cursor).await {
            written += self.write_all(unwritten.into_iter().collect()).await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        Ok(written)
    }

    async fn write_all(&self, unwritten: Vec<(ShopperId, Unwritten)>) -> Result<usize, CartError> {
        let mut written = 0;
        for some in unwritten.chunks(BEHIND_AT_ONCE) {
            let shoppers: Vec<ShopperId> = some.iter().map(|(shopper, _)| *shopper).collect();
            let rows = self.record.read(&shoppers).await?;
            let each = |(shopper, unwritten): &(ShopperId, Unwritten)| {
                let (row, shopper, unwritten) = (rows.get(shopper).cloned().unwrap_or_default(), *shopper, unwritten.clone());
                async move { self.unite(shopper, row, &unwritten).await }
            };
            for done in futures_util::future::join_all(some.iter().map(each)).await {
                match done {
                    Ok(_) => written += 1,
                    Err(error) => tracing::debug!(%error, "a cart waits to be written behind"),
                }
            }
        }
        Ok(written)
    }
}
