//! All reservations in short, and stock in linearizable pages, as an audit reads them.

use inventory_api::{Consistency, ReservationState, ReserveRequest};
use storefront_types::ReservationId;
use uuid::Uuid;

use super::cluster::{Cluster, context, is_ok, line, purchase, receive};

#[tokio::test(flavor = "multi_thread")]
async fn every_reservation_is_told_once_over_all_pages_in_order_of_id() {
    let cluster = Cluster::start().await;
    let (client, context) = (cluster.client(), context());
    receive(&client, "cup", 20).await;
    receive(&client, "pen", 20).await;
    let mut bought: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    for id in &bought {
        assert!(is_ok(&client.purchase(&context, &purchase(*id, "cup", 2)).await.unwrap()));
    }
    client.acknowledge(&context, vec![ReservationId::new(bought[0])]).await.unwrap();
    let held = Uuid::now_v7();
    let lines = vec![line("pen", 1), line("cup", 3)];
    let request = ReserveRequest { id: ReservationId::new(held), lines, ttl_ms: 60_000, memo: Some("kept".to_owned()) };
    assert!(is_ok(&client.reserve(&context, &request).await.unwrap()));

    let (mut briefs, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = client.reservation_briefs(&context, 2, cursor.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2 && page.clock_ms > 0);
        pages += 1;
        briefs.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    bought.push(held);
    bought.sort_unstable();
    assert_eq!((briefs.iter().map(|brief| brief.id.uuid()).collect::<Vec<_>>(), pages), (bought.clone(), 3));
    for brief in &briefs {
        let whole = client.reservation(&context, brief.id).await.unwrap().unwrap();
        assert_eq!(brief.state, whole.state);
        let lines = whole.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect::<Vec<_>>();
        assert_eq!(brief.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect::<Vec<_>>(), lines);
        let is_held = brief.state == ReservationState::Reserved;
        assert_eq!((brief.confirmed_at_ms.is_none(), brief.expires_at_ms.is_some()), (is_held, is_held));
    }
    assert_eq!(briefs.iter().filter(|brief| brief.state == ReservationState::Acknowledged).count(), 1);
    // Nobody but the leader can answer for now.
    let page = client.stock_page_of(&context, 1, None, Consistency::Linearizable).await.unwrap();
    assert_eq!((page.items[0].sku.as_str(), page.items[0].reserved(), page.next_cursor.as_deref()), ("cup", 3, Some("cup")));
    let leader = cluster.leader().await;
    for (path, refused) in [
        ("/v1/reservation-briefs?limit=0", "limit"),
        ("/v1/reservation-briefs?limit=2001", "limit"),
        ("/v1/reservation-briefs?cursor=x", "cursor"),
    ] {
        let answer = cluster.http.get(format!("http://{}{path}", cluster.nodes[leader].client)).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(status == 400 && text.contains(refused), "{path}: {status} {text}");
    }
    let follower = (leader + 1) % cluster.nodes.len();
    let asked = cluster.http.get(format!("http://{}/v1/stock?consistency=linearizable", cluster.nodes[follower].client));
    assert_eq!(asked.send().await.unwrap().status().as_u16(), 421);
}
