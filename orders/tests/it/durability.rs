//! What `orders` takes for recorded has reached the synchronous standby, also when another instance wrote it.

use backing_servers::{Postgres, free_port};
use sqlx::{Connection, Executor, PgConnection};

use super::{queries::queries, running::eventually};

const PASSWORD: &str = "test";

/// The statement that records orders, as it is asked, and values for no orders.
fn recording() -> (String, String) {
    let query = queries().into_iter().find(|query| query.sql.contains("insert into shop_order")).unwrap();
    let kinds = query.described["parameters"]["Left"].as_array().unwrap();
    let nothing = |kind: &serde_json::Value| match kind.as_str().unwrap() {
        array if array.ends_with("Array") => "'{}'",
        "Text" => "''",
        _ => "'0'",
    };
    (query.sql, kinds.iter().map(nothing).collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_what_is_there_already_waits_for_the_standby_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let start = move || Postgres::start(&path, free_port().unwrap(), PASSWORD, &path.with_extension("log")).unwrap();
    // A child dies with the thread that started it, which is this one.
    let mut server = start();
    let url = server.url(PASSWORD, "postgres");
    let (mut recorder, mut sql) = (PgConnection::connect(&url).await.unwrap(), PgConnection::connect(&url).await.unwrap());
    sqlx::migrate!().run(&mut sql).await.unwrap();
    sql.execute("alter system set synchronous_standby_names = 'nobody'").await.unwrap();
    sql.execute("select pg_reload_conf()").await.unwrap();
    let (statement, nothing) = recording();
    recorder.execute(sqlx::AssertSqlSafe(format!("prepare record as {statement}"))).await.unwrap();
    let record = tokio::spawn(async move {
        loop {
            // Until the server has read its configuration.
            recorder.execute(sqlx::AssertSqlSafe(format!("execute record ({nothing})"))).await.unwrap();
        }
    });
    eventually("a commit that waits for the standby", async || {
        let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and query like 'execute record%'";
        let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&mut sql).await.unwrap();
        (waiting == 1).then_some(())
    })
    .await;
    record.abort();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}
