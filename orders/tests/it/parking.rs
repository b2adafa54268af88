//! Events that no sink takes do not keep the others waiting, and operators decide about them.

use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use super::{
    events::write,
    running::{Running, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_event_is_parked_with_what_follows_it_and_can_be_replayed_or_dropped() {
    let running = Running::start().await;
    let _orders = running.orders(None, &[]).await;
    let mut sql = running.sql().await;
    let (mended, given_up, well) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let large = json!({"order_id": mended, "note": "x".repeat(300_000)}).to_string();
    for order in [mended, given_up] {
        write(&mut sql, order, 1, "{}").await;
        write(&mut sql, order, 2, &large).await;
        write(&mut sql, order, 3, "{}").await;
    }
    write(&mut sql, well, 1, "{}").await;
    let told = async |order: Uuid| -> Vec<String> {
        let events = running.events().await.into_iter().filter(|event| event["subject"] == order.to_string().as_str());
        events.map(|event| event["sequence"].as_str().unwrap().trim_start_matches('0').to_owned()).collect()
    };
    eventually("the well order's event", async || (told(well).await == ["1"]).then_some(())).await;
    let listed = eventually("four parked", async || {
        let listed = running.outbox(&["list"]);
        (listed["parked"].as_array()?.len() == 4).then_some(listed)
    })
    .await;
    assert_eq!((told(mended).await, told(given_up).await), (vec!["1".to_owned()], vec!["1".to_owned()]));
    let parked = &listed["parked"];
    assert_eq!(parked[0]["order"], mended.to_string().as_str());
    assert!(parked[0]["reason"].as_str().unwrap().contains("262144 are the most"), "{parked}");
    assert!(parked[1]["reason"].as_str().unwrap().contains("after a parked event"), "{parked}");
    assert_eq!((&listed["sinks"][0]["sink"], &listed["sinks"][0]["parked"]), (&json!("redis:eu"), &json!(4)));

    // Replayed as it is: refused again, and nothing behind it overtakes it.
    running.outbox(&["replay", "--sink", "redis:eu", "--order", &mended.to_string()]);
    eventually("the second refusal", async || {
        let listed = running.outbox(&["list"]);
        listed["parked"].as_array()?.iter().all(|row| row["is_replayed"] == false).then_some(())
    })
    .await;
    assert_eq!(told(mended).await, ["1"]);
    // Mended: it is sent with all that waits behind it, also what came meanwhile.
    write(&mut sql, mended, 4, "{}").await;
    let mend = format!("update outbox_parked set payload = '{{}}' where key = '{mended}'");
    sql.execute(sqlx::AssertSqlSafe(mend)).await.unwrap();
    running.outbox(&["replay", "--sink", "redis:eu", "--order", &mended.to_string()]);
    eventually("all four", async || (told(mended).await == ["1", "2", "3", "4"]).then_some(())).await;
    // Given up: the next one is sent without it.
    let row = parked[2]["row_id"].to_string();
    assert_eq!(running.outbox(&["drop", "--sink", "redis:eu", "--row", &row])["replayed"], 1);
    eventually("the third", async || (told(given_up).await == ["1", "3"]).then_some(())).await;
    write(&mut sql, given_up, 4, "{}").await;
    eventually("the fourth", async || (told(given_up).await == ["1", "3", "4"]).then_some(())).await;
    assert_eq!(running.outbox(&["list"])["parked"], json!([]));
}
