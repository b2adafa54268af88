//! A database of its own for each test, and the server on free ports.

use std::{
    path::Path,
    process::{Command, Output},
};

use catalog::{ServeArgs, serve};
use clap::Parser;
use sqlx::{Connection, PgConnection};
use storefront_service::Listeners;
pub(crate) use storefront_service::testing::eventually;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct Database {
    name: String,
    pub(crate) url: String,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let server = backing_servers::postgres_url();
        let name = format!("it_{}", Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), name }
    }

    pub(crate) async fn drop(self) {
        let mut admin = PgConnection::connect(&backing_servers::postgres_url()).await.unwrap();
        let drop = format!("drop database {} with (force)", self.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
    }

    pub(crate) fn import(&self, file: &Path, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalog"));
        command.arg("import").arg(file).args(["--database-url", &self.url, "--output", "json"]).args(more);
        command.output().unwrap()
    }
}

pub(crate) fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
}

impl Server {
    pub(crate) async fn start(database: &Database) -> Self {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: ServeArgs,
        }
        let args = Line::parse_from(["catalog", "--database-url", &database.url]).args;
        let listeners = Listeners::loopback().await.unwrap();
        let base = format!("http://{}", listeners.http_addr().unwrap());
        let ready = format!("http://{}/readyz", listeners.admin_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(args, listeners, stop.clone()));
        let http = reqwest::Client::new();
        let server = Self { base, http, stop };
        eventually("the server to be ready", async || {
            server.http.get(&ready).send().await.ok().filter(|answer| answer.status() == 200).map(|_| ())
        })
        .await;
        server
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        self.get(path).await.json().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
