//! A guest's cart comes along at sign-in, also into the cart of an account that is known already.

use sqlx::{Connection, PgConnection, types::Json};
use storefront_types::{OrderId, ShopperId};
use uuid::Uuid;

use super::{CartError, Carts, Stored, StoredLine, unite::signed_in};
use crate::database::within;

impl Carts {
    /// Moves what is in a guest's cart into an account's, in one SQL transaction: asked again, the guest's cart is empty and nothing happens.
    pub(crate) async fn sign_in(&self, guest: ShopperId, account: ShopperId) -> Result<(), CartError> {
        if guest == account || self.see(guest).await?.cart.lines.is_empty() {
            return Ok(());
        }
        // What was kept beside PostgreSQL is written now, so that the record is all of it.
        self.see(account).await?;
        let moved = within(async {
            let mut sql = self.sql.acquire().await?;
            let mut transaction = sql.begin().await?;
            begin_cart(&mut transaction, account).await?;
            let (mut guests, mut own) = both(&mut transaction, guest, account).await?;
            if !guests.lines.is_empty() {
                own.lines = signed_in(&own.lines, &guests.lines);
                guests.lines.clear();
                for (shopper, cart) in [(guest, &mut guests), (account, &mut own)] {
                    cart.version += 1;
                    put(&mut transaction, shopper, cart).await?;
                }
            }
            transaction.commit().await?;
            Ok((guests, own))
        });
        let (guests, own) = moved.await?;
        self.region.copy(&[(guest, &guests), (account, &own)]).await;
        Ok(())
    }
}

/// A row to lock: two sign-ins into an account without a cart must not both think that they begin it.
async fn begin_cart(sql: &mut PgConnection, account: ShopperId) -> Result<(), sqlx::Error> {
    let begun = sqlx::query!(
        "insert into cart (shopper_id, version, lines) values ($1, 1, '[]') on conflict (shopper_id) do nothing",
        account.uuid()
    );
    begun.execute(sql).await.map(drop)
}

/// Both carts, locked in one order, so that no two sign-ins wait for each other.
async fn both(sql: &mut PgConnection, guest: ShopperId, account: ShopperId) -> Result<(Stored, Stored), sqlx::Error> {
    let rows = sqlx::query!(
        r#"select shopper_id, version, lines as "lines: Json<Vec<StoredLine>>", bought as "bought: Json<Vec<OrderId>>" from cart
           where shopper_id = any($1) order by shopper_id for update"#,
        &[guest.uuid(), account.uuid()],
    );
    let rows = rows.fetch_all(sql).await?;
    let of = |shopper: ShopperId| {
        let row = rows.iter().find(|row| row.shopper_id == shopper.uuid());
        row.map_or_else(Stored::default, |row| Stored {
            version: row.version,
            lines: row.lines.0.clone(),
            bought: row.bought.0.clone(),
        })
    };
    Ok((of(guest), of(account)))
}

async fn put(sql: &mut PgConnection, shopper: ShopperId, cart: &Stored) -> Result<(), sqlx::Error> {
    let lines = serde_json::to_value(&cart.lines).unwrap_or_default();
    let update = sqlx::query!(
        "update cart set version = $2, lines = $3, stamp = $4, updated_at = now(),
             touched_on = (now() at time zone 'utc')::date
         where shopper_id = $1",
        shopper.uuid(),
        cart.version,
        lines,
        Uuid::new_v4(),
    );
    update.execute(sql).await.map(drop)
}
