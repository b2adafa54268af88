//! Servers for tests: those that the environment names, else private ones that die with the test process.

use std::{env, path::PathBuf, sync::OnceLock, sync::mpsc, thread};

use crate::{Postgres, Redis, ensure_installed, free_port};

/// Password of the throw-away instance; it listens on the loopback interface alone and ends with the tests.
const PASSWORD: &str = "test";

/// URL of a PostgreSQL superuser: `STOREFRONT_TEST_POSTGRES`, else a private instance of this process.
///
/// # Panics
/// When none can be started; the message says what to do.
pub fn postgres_url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    let start = || {
        on_a_thread_that_stays(|| {
            let directory = directory("postgres");
            let server = Postgres::start(&directory, free_port().ok()?, PASSWORD, &directory.with_extension("log")).ok()?;
            Some(server.url(PASSWORD, "postgres"))
        })
    };
    URL.get_or_init(|| env::var("STOREFRONT_TEST_POSTGRES").unwrap_or_else(|_| start())).clone()
}

/// URL of a Redis: `STOREFRONT_TEST_REDIS`, else a private instance of this process.
///
/// # Panics
/// When none can be started; the message says what to do.
pub fn redis_url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    let start = || {
        on_a_thread_that_stays(|| {
            let directory = directory("redis");
            let server = Redis::start(&directory, free_port().ok()?, &directory.with_extension("log")).ok()?;
            Some(server.url())
        })
    };
    URL.get_or_init(|| env::var("STOREFRONT_TEST_REDIS").unwrap_or_else(|_| start())).clone()
}

fn directory(kind: &str) -> PathBuf {
    env::temp_dir().join(format!("storefront-test-{kind}-{}", std::process::id()))
}

/// A child dies when the thread that started it ends, so that thread must live as long as the process.
fn on_a_thread_that_stays(start: impl FnOnce() -> Option<String> + Send + 'static) -> String {
    let (sender, started) = mpsc::channel();
    thread::spawn(move || {
        let ready = ensure_installed(|text| eprintln!("{text}")).map_err(|error| error.to_string());
        let url =
            ready.and_then(|()| start().ok_or_else(|| "a server for tests did not start; run `cargo deploy test`".to_owned()));
        let _ = sender.send(url);
        loop {
            thread::park();
        }
    });
    match started.recv() {
        Ok(Ok(url)) => url,
        Ok(Err(error)) => panic!("{error}"),
        Err(error) => panic!("{error}"),
    }
}
