//! An edge that stops brings the checkouts that it has begun to their end.

use std::sync::Arc;

use axum::response::IntoResponse;
use tokio::{net::TcpStream, sync::Semaphore};

use crate::{
    leader::shop_that_sells,
    scripted::{Asked, Edge, catalog, eventually, plain},
};

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_that_wait_at_orders_are_answered_and_settled_also_for_shoppers_who_have_gone() {
    let (orders, inventory) = shop_that_sells().await;
    let open = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
    let doors = open.clone();
    orders.answer(move |asked: Asked| {
        let doors = doors.clone();
        async move {
            match asked.path.as_str() {
                "/v1/orders/checkout" => {
                    let door = &doors[usize::from(asked.header("idempotency-key") == "gone")];
                    door.acquire().await.unwrap().forget();
                    plain(201, "bought")
                }
                path if path.contains("ticket") => axum::Json(serde_json::json!({"ticket": "t"})).into_response(),
                _ => plain(200, "{}"),
            }
        }
    });
    let catalog = catalog(|_| async { plain(404, "") }).await;
    let mut edge = Edge::start(&catalog, &[&orders], &[&inventory], &["--workers", "2"]).await;
    let (waiting, gone) = (edge.check_out("waiting"), edge.check_out("gone"));
    eventually(async || orders.times("/v1/orders/checkout") == 2).await;
    gone.abort();
    edge.stop.cancel();
    let address = edge.base.trim_start_matches("http://").to_owned();
    eventually(async || TcpStream::connect(&address).await.is_err()).await;
    open[0].add_permits(1);
    let (status, _, said) = waiting.await.unwrap();
    assert_eq!((status, said.as_str()), (201, "bought"));
    eventually(async || settled(&orders) == 1).await;
    // Nobody is connected any more; one checkout is still under way.
    open[1].add_permits(1);
    (&mut edge.ended).await.unwrap().unwrap();
    assert_eq!(settled(&orders), 2, "a checkout was cut off");
}

fn settled(orders: &crate::scripted::Scripted) -> usize {
    orders.times(orders_api::paths::SETTLE_CART)
}
