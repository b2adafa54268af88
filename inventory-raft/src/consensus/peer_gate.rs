//! Who may speak at the Raft port: members of this cluster, to this node, each from its own data directory.

use std::{io, sync::Arc};

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
    pub(super) async fn answered(&self, by: u64, headers: &HeaderMap) -> Result<(), MeetError> {
        let given = directory(headers, DIRECTORY_HEADER).ok_or_else(|| io::Error::other("who answers does not say who it is"))?;
        self.directories.meet(by, given).await
    }

    async fn check(&self, sender: Sender, headers: &HeaderMap) -> Result<(), Response> {
        let (ours, our_directory) = self.directories.ours;
        if text(headers, CLUSTER_HEADER) != Some(&*self.cluster_id) {
            count("other_cluster");
            tracing::warn!(from = text(headers, CLUSTER_HEADER), "refused a peer of another cluster");
            return Err(refuse(StatusCode::FORBIDDEN, "wrong cluster id"));
        }
        let to = text(headers, TO_HEADER);
        if to.and_then(|to| to.parse().ok()) != Some(ours) {
            tracing::warn!(to, node_id = ours, "refused a peer that takes this node for another");
            return Err(refuse(StatusCode::FORBIDDEN, "this is another node"));
        }
        if self.directories.is_denied() {
            return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "this node stops"));
        }
        let Some(from) = text(headers, FROM_HEADER).and_then(|from| from.parse::<u64>().ok()) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "the sender does not say who it is"));
        };
        sender.may_be(from)?;
        let Some(given) = directory(headers, DIRECTORY_HEADER) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "the sender does not say which data directory it has"));
        };
        self.directories.meet(from, given).await.map_err(|refused| match refused {
            MeetError::Other(other) => {
                count("other_directory");
                tracing::warn!(%other, "refused a peer");
                refuse(StatusCode::CONFLICT, other)
            }
            error => refuse(StatusCode::INTERNAL_SERVER_ERROR, error),
        })?;
        // Only now, when the sender is who it was before: who is not has nothing to say about this node.
        if let Some(known) = directory(headers, TO_DIRECTORY_HEADER).filter(|known| *known != our_directory) {
            let other = OtherDirectory { id: ours, known, given: our_directory };
            self.directories.deny(format!("node {from} does not know this directory: {other}"));
            // Not CONFLICT, by which the sender would learn that it is the one that is not known.
            return Err(refuse(StatusCode::MISDIRECTED_REQUEST, other));
        }
        Ok(())
    }
}

fn count(reason: &'static str) {
    metrics::counter!("inventory_peers_refused_total", "reason" => reason).increment(1);
}

/// Lets a request through to the RPCs, and says in the answer who gave it, a refusal too.
pub(super) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    // The request itself, whose body cannot be shared, does not go across the wait.
    let (sender, headers) = (Sender::of(&request), request.headers().clone());
    let mut answer = match gate.check(sender, &headers).await {
        Ok(()) => next.run(request).await,
        Err(refused) => refused,
    };
    if let Ok(ours) = HeaderValue::from_str(&gate.directories.ours.1.to_string()) {
        answer.headers_mut().insert(DIRECTORY_HEADER, ours);
    }
    answer
}

/// What a node answers that is only to be met.
pub(super) async fn met() -> StatusCode {
    StatusCode::OK
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
            count("speaks_for_another");
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
