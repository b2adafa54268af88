//! Runs the steps of a test against an edge and its origin. Must not: know what any test is about.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use clap::Parser;
use storefront_edge::{Config, run};
use storefront_service::Listeners;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    origin::{Given, Origin},
    step::{Contact, Seen, Step},
    wire::{latin1, read_content, read_head},
};

/// Between two looks at what takes a moment.
const POLL: Duration = Duration::from_millis(10);
/// A step that takes longer hangs.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// An edge as a plain cache, and the origin behind it.
pub(crate) struct Stage {
    pub(crate) origin: Origin,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let origin = Origin::start().await;
        let url = format!("http://{}", origin.address());
        let config = Config::try_parse_from(["edge", "--origin", &url, "--profile", "rfc"]).unwrap();
        let (listeners, stop) = (Listeners::loopback().await.unwrap(), CancellationToken::new());
        let address = listeners.http_addr().unwrap();
        tokio::spawn(run(config, listeners, stop.clone()));
        Self { origin, address, stop }
    }

    /// Nothing between the client and the origin.
    pub(crate) async fn without_edge() -> Self {
        let origin = Origin::start().await;
        Self { address: origin.address(), origin, stop: CancellationToken::new() }
    }

    /// One step: what of it is wrong ends the test.
    pub(crate) async fn step(&self, step: Step) {
        let (before, said) = (self.origin.received().len(), self.origin.given().len());
        if step.without_origin {
            self.origin.goes_away();
        }
        self.origin.will_say(step.answers.clone());
        sleep(step.pause).await;
        let bytes = request_bytes(&step, self.address);
        let began = Instant::now();
        loop {
            let mut seen = timeout(STEP_LIMIT, exchange(self.address, &bytes, &step.method)).await.expect("no answer in time");
            let late = began.elapsed() > STEP_LIMIT;
            let mut unsaid = step.contact == Contact::CachedThenAsked && self.origin.unsaid() > 0;
            while unsaid && !step.patient {
                assert!(began.elapsed() < STEP_LIMIT, "the origin was not asked behind the client's back");
                sleep(POLL).await;
                unsaid = self.origin.unsaid() > 0;
            }
            seen.received = self.origin.received().split_off(before);
            match catch_unwind(AssertUnwindSafe(|| judge(&step, &seen, &self.origin.given(), said))) {
                Ok(()) if !unsaid => return,
                Err(wrong) if !step.patient || late => resume_unwind(wrong),
                _ => assert!(!late, "not right in time"),
            }
            sleep(POLL).await;
        }
    }
}

/// All steps in order, against one edge.
pub(crate) async fn play(steps: impl IntoIterator<Item = Step>) {
    let stage = Stage::open().await;
    for (nth, step) in steps.into_iter().enumerate() {
        eprintln!("step {}: {} {} {:?} {:?}", nth + 1, step.method, step.target, step.fields, step.contact);
        stage.step(step).await;
    }
}

fn request_bytes(step: &Step, address: SocketAddr) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", step.method, step.target);
    if !step.hostless && !step.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    let chunked = step.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    if let Some(content) = step.content.as_ref().filter(|_| !chunked) {
        head.push_str(&format!("Content-Length: {}\r\n", content.len()));
    }
    for (name, value) in &step.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [latin1(&head), b"\r\n".to_vec(), step.content.clone().unwrap_or_default()].concat()
}

/// Sends bytes over a connection of their own and reads one answer with all that comes before it.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8], method: &str) -> Seen {
    let mut connection = BufReader::new(TcpStream::connect(address).await.unwrap());
    connection.write_all(bytes).await.unwrap();
    let mut interim = Vec::new();
    loop {
        let head = read_head(&mut connection).await.unwrap().expect("the connection was closed without an answer");
        if head.status() < 200 {
            interim.push(head);
            continue;
        }
        let empty = method == "HEAD" || matches!(head.status(), 204 | 304);
        let content = if empty {
            super::wire::Content { complete: true, ..Default::default() }
        } else {
            read_content(&mut connection, &head, true).await.unwrap()
        };
        return Seen { interim, head, content, received: Vec::new() };
    }
}

fn judge(step: &Step, seen: &Seen, given: &[Given], said: usize) {
    eprintln!("  client saw {:#?}\n  body {:?}", seen.head, String::from_utf8_lossy(&seen.content.bytes));
    seen.received.iter().for_each(|received| eprintln!("  origin got {:#?}", received.head));
    let asked = seen.received.len();
    match step.contact {
        Contact::Cached | Contact::Generated => assert_eq!(asked, 0, "the origin was asked"),
        Contact::Asked | Contact::Confirmed | Contact::CachedThenAsked => {
            assert_eq!(asked, step.answers.len(), "requests to the origin");
        }
        Contact::Failed | Contact::CachedOverFailure => {
            assert!(asked > 0 || step.without_origin, "the origin was not asked");
        }
        Contact::Either => {}
    }
    if let Some(status) = step.status {
        assert_eq!(seen.head.status(), status, "status");
    }
    assert!(seen.content.complete || step.may_end_early, "the answer ended too early");
    if let Some(body) = &step.body {
        assert_eq!(String::from_utf8_lossy(&seen.content.bytes), String::from_utf8_lossy(body), "content");
    }
    // What is asked again may see what the origin said to the time before.
    let said = if step.patient { given.len() } else { said };
    judge_source(step, seen, given, &given[..said]);
    step.checks.iter().for_each(|check| check(seen));
}

/// The answer is one the origin gave for this target: the last one, or one it had given before.
fn judge_source(step: &Step, seen: &Seen, given: &[Given], stored: &[Given]) {
    let was_stored =
        |same: &dyn Fn(&Given) -> bool| stored.iter().any(|given| step.target.ends_with(&given.target) && same(given));
    let own_status = step.status.is_some_and(|status| matches!(status, 206 | 304 | 412 | 416));
    let empty = step.method == "HEAD" || matches!(seen.head.status(), 204 | 304);
    let same = |given: &Given| {
        (own_status || step.status.is_some() || given.status == seen.head.status())
            && (own_status || empty || step.body.is_some() || given.body == seen.content.bytes)
    };
    match step.contact {
        Contact::Asked if !step.may_end_early => {
            assert!(given.last().is_some_and(same), "not what the origin said: {given:#?}");
        }
        Contact::Cached | Contact::CachedThenAsked | Contact::CachedOverFailure => {
            assert!(was_stored(&same), "not a stored answer: {stored:#?}");
            let age = seen.head.all("age");
            assert!(matches!(age[..], [age] if age.parse::<u64>().is_ok()), "Age of a stored answer is {age:?}");
        }
        Contact::Confirmed => assert!(was_stored(&same), "not a stored answer: {stored:#?}"),
        Contact::Either if seen.head.status() == 304 => {}
        Contact::Either => assert!(given.iter().any(same), "not an answer of the origin: {given:#?}"),
        Contact::Failed => {
            let good =
                stored.iter().any(|given| given.status < 500 && !given.body.is_empty() && given.body == seen.content.bytes);
            assert!(!good, "a stored answer in place of a failure");
            assert!(seen.head.status() >= 500, "status {}", seen.head.status());
        }
        _ => {}
    }
}
