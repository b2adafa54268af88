//! For the tests of services. Must not: be used by a service itself.

use std::time::{Duration, Instant};

/// Long beside what anything takes on a machine that does much else meanwhile: a test waits for it only to fail.
const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Asks until the answer is there.
///
/// # Panics
/// When it is not there in time.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "not in time: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
