//! An edge that stops brings the checkouts that it has begun to their end.

use std::sync::Arc;

use tokio::{net::TcpStream, sync::Semaphore};

use crate::{
    leader::Three,
    scripted::{Asked, eventually, plain},
};

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_that_wait_at_orders_are_answered_and_settled_also_for_shoppers_who_have_gone() {
    let three = Three::start().await;
    three.led_by(1, 1);
    let (home, orders) = (&three.orders[0], &three.orders[1]);
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
                _ => plain(200, "{}"),
            }
        }
    });
    let mut edge = three.edge(&["--workers", "2"]).await;
    eventually(async || edge.metric("edge_leader_known", "").await == 1.0).await;
    let (waiting, gone) = (edge.check_out("waiting"), edge.check_out("gone"));
    eventually(async || orders.times("/v1/orders/checkout") == 2).await;
    gone.abort();
    edge.stop.cancel();
    let address = edge.base.trim_start_matches("http://").to_owned();
    eventually(async || TcpStream::connect(&address).await.is_err()).await;
    open[0].add_permits(1);
    let (status, _, said) = waiting.await.unwrap();
    assert_eq!((status, said.as_str()), (201, "bought"));
    eventually(async || settled(home) == 1).await;
    // Nobody is connected any more; one checkout is still under way.
    open[1].add_permits(1);
    (&mut edge.ended).await.unwrap().unwrap();
    assert_eq!(settled(home), 2, "a checkout was cut off");
}

fn settled(orders: &crate::scripted::Scripted) -> usize {
    orders.times(orders_api::paths::SETTLE_CART)
}
