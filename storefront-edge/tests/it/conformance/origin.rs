//! An origin that says what a test wrote down, in that order, and remembers every request it got. Must not: judge them.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use super::{
    answer::{Answer, status},
    wire::{Content, Head, read_content, read_head},
};

/// A request as the origin got it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: Head,
    pub(crate) content: Content,
}

/// An answer as the origin gave it.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Script {
    waiting: VecDeque<Answer>,
    received: Vec<Received>,
    given: Vec<Given>,
    tasks: Vec<AbortHandle>,
}

#[derive(Clone, Debug)]
pub(crate) struct Origin {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), script: Arc::default() };
        let accepting = origin.clone();
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let serving = accepting.clone();
                let task = tokio::spawn(async move { serving.serve(connection).await });
                accepting.script().tasks.push(task.abort_handle());
            }
        });
        origin.script().tasks.push(task.abort_handle());
        origin
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// The answers to the next requests.
    pub(crate) fn will_say(&self, answers: Vec<Answer>) {
        self.script().waiting = answers.into();
    }

    /// How many of them nobody asked for.
    pub(crate) fn unsaid(&self) -> usize {
        self.script().waiting.len()
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.script().received.clone()
    }

    pub(crate) fn given(&self) -> Vec<Given> {
        self.script().given.clone()
    }

    /// Nobody listens any more, and open connections end.
    pub(crate) fn goes_away(&self) {
        self.script().tasks.drain(..).for_each(|task| task.abort());
    }

    async fn serve(&self, connection: TcpStream) {
        let mut connection = BufReader::new(connection);
        while let Ok(Some(head)) = read_head(&mut connection).await {
            let Ok(content) = read_content(&mut connection, &head, false).await else { return };
            let (method, target) = (head.method().to_owned(), head.target().to_owned());
            let (answer, body) = {
                let mut script = self.script();
                script.received.push(Received { head, content });
                let nth = script.received.len();
                let answer = script.waiting.pop_front().unwrap_or_else(|| status(200).body("nobody wrote this answer"));
                let body = answer.body.clone().unwrap_or_else(|| format!("answer {nth}").into_bytes());
                (answer, body)
            };
            for (status, fields) in &answer.interim {
                let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let interim = format!("HTTP/1.1 {status} Interim\r\n{fields}\r\n");
                if connection.write_all(interim.as_bytes()).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(answer.delay).await;
            let bytes = answer.bytes(&method, &body);
            self.script().given.push(Given { target, status: answer.status, body });
            if connection.write_all(&bytes).await.is_err() || answer.ends_connection() {
                return;
            }
        }
    }
}
