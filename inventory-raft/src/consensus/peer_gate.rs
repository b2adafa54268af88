//! Who may speak at the Raft port: members of this cluster, to this node, each from its own data directory.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, request::Builder};
use storefront_tls::PeerName;
use uuid::Uuid;

use super::{
    directories::{Directories, MeetError, OtherDirectory},
    type_config::Vote,
};

const CLUSTER_HEADER: &str = "raft-cluster";
const FROM_HEADER: &str = "raft-from";
/// The id of the sender's data directory; in answers, of the receiver's.
const DIRECTORY_HEADER: &str = "raft-directory";
const TO_HEADER: &str = "raft-to";
/// The directory that the sender takes the receiver's to be, if they met before.
const TO_DIRECTORY_HEADER: &str = "raft-to-directory";

/// What both sides of the talk between peers know.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) cluster_id: Arc<str>,
    pub(super) directories: Arc<Directories>,
}

pub(super) fn refuse(status: StatusCode, reason: impl ToString) -> Response {
    (status, reason.to_string()).into_response()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn directory(headers: &HeaderMap, name: &str) -> Option<Uuid> {
    text(headers, name)?.parse().ok()
}

impl Gate {
    /// Says who sends a request, and whom it means.
    pub(super) fn sign(&self, request: Builder, to: u64) -> Builder {
        let (id, directory) = self.directories.ours;
        let request = request.header(CLUSTER_HEADER, &*self.cluster_id).header(TO_HEADER, to);
        let request = request.header(FROM_HEADER, id).header(DIRECTORY_HEADER, directory.to_string());
        match self.directories.of(to) {
            Some(known) => request.header(TO_DIRECTORY_HEADER, known.to_string()),
            None => request,
        }
    }

    /// Checks who answered.
    pub(super) fn answered(&self, by: u64, headers: &HeaderMap) -> Result<(), MeetError> {
        directory(headers, DIRECTORY_HEADER).map_or(Ok(()), |given| self.directories.meet(by, given))
    }

    fn check(&self, request: &Request) -> Result<(), Response> {
        let (headers, (ours, our_directory)) = (request.headers(), self.directories.ours);
        if text(headers, CLUSTER_HEADER) != Some(&*self.cluster_id) {
            tracing::warn!(from = text(headers, CLUSTER_HEADER), "refused a peer of another cluster");
            return Err(refuse(StatusCode::FORBIDDEN, "wrong cluster id"));
        }
        let to = text(headers, TO_HEADER);
        if to.and_then(|to| to.parse().ok()) != Some(ours) {
            tracing::warn!(to, node_id = ours, "refused a peer that takes this node for another");
            return Err(refuse(StatusCode::FORBIDDEN, "this is another node"));
        }
        let Some(from) = text(headers, FROM_HEADER).and_then(|from| from.parse::<u64>().ok()) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "the sender does not say who it is"));
        };
        Sender::of(request).may_be(from)?;
        if let Some(known) = directory(headers, TO_DIRECTORY_HEADER).filter(|known| *known != our_directory) {
            let other = OtherDirectory { id: ours, known, given: our_directory };
            self.directories.deny(format!("node {from} does not know this directory: {other}"));
            // Not CONFLICT, by which the sender would learn that it is the one that is not known.
            return Err(refuse(StatusCode::MISDIRECTED_REQUEST, other));
        }
        let Some(given) = directory(headers, DIRECTORY_HEADER) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "the sender does not say which data directory it has"));
        };
        self.directories.meet(from, given).map_err(|refused| match refused {
            MeetError::Other(other) => {
                metrics::counter!("inventory_peers_refused_total", "reason" => "other_directory").increment(1);
                tracing::warn!(%other, "refused a peer");
                refuse(StatusCode::CONFLICT, other)
            }
            MeetError::Io(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error),
        })
    }
}

/// Lets a request through to the RPCs, and says in the answer who gave it.
pub(super) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if let Err(refused) = gate.check(&request) {
        return refused;
    }
    let mut answer = next.run(request).await;
    if let Ok(ours) = HeaderValue::from_str(&gate.directories.ours.1.to_string()) {
        answer.headers_mut().insert(DIRECTORY_HEADER, ours);
    }
    answer
}

/// Who sends a request: the node that its certificate names, or in plaintext anybody.
#[derive(Clone, Copy)]
pub(super) struct Sender(Option<u64>);

impl Sender {
    /// As in plaintext.
    pub(super) const ANYBODY: Self = Self(None);

    pub(super) fn of(request: &Request) -> Self {
        Self(request.extensions().get().and_then(PeerName::node_id))
    }

    fn is(self, claimed: u64) -> bool {
        let itself = self.0.is_none_or(|id| id == claimed);
        if !itself {
            metrics::counter!("inventory_peers_refused_total", "reason" => "speaks_for_another").increment(1);
            tracing::warn!(certificate = self.0, claimed, "refused a peer that speaks for another node");
        }
        itself
    }

    fn may_be(self, claimed: u64) -> Result<(), Response> {
        if self.is(claimed) { Ok(()) } else { Err(refuse(StatusCode::FORBIDDEN, "the certificate is another node's")) }
    }

    /// Only the candidate or leader itself sends with its vote.
    pub(super) fn may_say(self, vote: &Vote) -> bool {
        self.is(vote.leader_id.node_id)
    }

    pub(super) fn check(self, vote: &Vote) -> Result<(), Response> {
        self.may_be(vote.leader_id.node_id)
    }
}
