//! The answering side of the supervisor's control port.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use deploy_api::{Ask, ControlAddress, MAX_LINE_BYTES, Question, Reply};

use crate::{plan::Place, secrets::write_private, supervisor::Supervisor};

/// Opens the port and answers on it as long as the process lives.
pub(crate) fn listen(supervisor: Supervisor) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let token = supervisor.secrets().control.clone();
    let address = ControlAddress { address: listener.local_addr()?.to_string(), token, ready: false };
    write_private(&supervisor.place().control_file(), &serde_json::to_vec(&address)?)?;
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let supervisor = supervisor.clone();
            thread::spawn(move || answer(&supervisor, stream));
        }
    })?;
    Ok(())
}

/// Notes in the control file that the topology is ready for its users.
pub(crate) fn announce(place: &Place) -> anyhow::Result<()> {
    let address: ControlAddress = serde_json::from_slice(&std::fs::read(place.control_file())?)?;
    write_private(&place.control_file(), &serde_json::to_vec(&ControlAddress { ready: true, ..address })?)
}

fn answer(supervisor: &Supervisor, stream: TcpStream) {
    let mut line = String::new();
    let read = stream.try_clone().map(|stream| BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut line));
    let Ok(Ok(_)) = read else { return };
    let Ok(question) = serde_json::from_str::<Question>(&line) else { return };
    if question.token != supervisor.secrets().control {
        return;
    }
    let reply = reply(supervisor, question.ask).unwrap_or_else(|error| Reply::Failed(format!("{error:#}")));
    let mut stream = stream;
    if let Ok(text) = serde_json::to_string(&reply) {
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(b"\n"));
    }
}

fn reply(supervisor: &Supervisor, ask: Ask) -> anyhow::Result<Reply> {
    match ask {
        Ask::Status => return Ok(Reply::Status(Box::new(supervisor.topology()))),
        Ask::Start(names) => return Ok(Reply::Started(supervisor.start_all_of(&names)?)),
        Ask::Holds => return Ok(Reply::Holds(supervisor.guardian().views())),
        Ask::Kill(names) => supervisor.kill_all(&names)?,
        Ask::Hold(hold) => supervisor.guardian().hold(supervisor, hold)?,
        Ask::Renew(id, lease_ms) => supervisor.guardian().renew(&id, lease_ms)?,
        Ask::Heal(id) => supervisor.guardian().heal(supervisor, &id)?,
        Ask::HealAll => supervisor.guardian().heal_all(supervisor)?,
        Ask::Down => supervisor.ask_to_stop(),
    }
    Ok(Reply::Done)
}
