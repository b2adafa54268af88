//! A small client that follows the leader.
//!
//! Every command carries an id of the caller's, so the client repeats it until the deadline: the first outcome is the only one.

mod call;
mod view;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Full};
use storefront_tls::{Connector, Failed, HttpClient, Tls, Wanted};
use storefront_types::{CallContext, Page, Problem, ProblemType, ReservationId, Sku};
use tokio::time::timeout;

use crate::{
    AcknowledgeRequest, AdjustRequest, BatchRequest, BatchResponse, ClusterView, Consistency, ExtendRequest, LedgerPage,
    MoveRequest, Outcome, PurchaseRequest, ReceiveRequest, Reservation, ReservationBriefs, ReservationState, ReserveRequest,
    Stock, StockChange, StockPage, paths,
};
pub use view::LeaderView;
use view::Members;

/// Deadline of a command or linearizable read over all attempts: an election and a retry fit into it several times.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// Longest wait for the head of a change stream's answer; it comes at once.
const STREAM_START: Duration = Duration::from_secs(5);

/// Longest line of the change stream; a line has under 500 bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// What a caller can do about a failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Certainly not executed: try later.
    #[error("no inventory leader took the call within {waited:?}")]
    NotExecuted { waited: Duration },
    /// Certainly not executed: the nodes and this client do not take each other's certificates.
    #[error("the inventory was not asked, for want of trust: {reason}")]
    Untrusted { reason: String },
    /// Perhaps executed: ask again with the same id.
    #[error("the outcome is not known after {waited:?}")]
    OutcomeUnknown { waited: Duration },
    /// The cluster refused the request as malformed; repeating it does not help.
    #[error("the inventory refused the request: {}", .0.detail.as_deref().unwrap_or(&.0.title))]
    Refused(Box<Problem>),
}

/// Cheap to clone; clones share connections and the leader view.
#[derive(Clone, Debug)]
pub struct InventoryClient {
    http: HttpClient<Full<Bytes>>,
    members: Arc<Members>,
    deadline: Duration,
}

type Called<T> = Result<T, ClientError>;

impl InventoryClient {
    /// In plaintext. `addresses`: `host:port` of the nodes that are known to begin with; at least one.
    pub fn new(addresses: Vec<String>) -> Self {
        let http = HttpClient::new(Connector::plaintext());
        Self { http, members: Arc::new(Members::new(addresses)), deadline: DEFAULT_DEADLINE }
    }

    /// With an identity, in TLS and only to nodes of its cluster; without one, in plaintext. To be called before the first call.
    #[must_use]
    pub fn with_tls(self, tls: Option<&Tls>) -> Self {
        Self { http: HttpClient::new(Connector::of(tls, Wanted::AnyNode)), ..self }
    }

    /// The same client with another deadline for each call.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Who leads, as far as this client has heard.
    pub fn leader(&self) -> LeaderView {
        self.members.leader()
    }

    /// Takes a hint that somebody else got; only a higher term of a known member counts.
    pub fn hint(&self, term: u64, address: &str) {
        self.members.hint(term, address);
    }

    pub async fn reserve(&self, context: &CallContext, request: &ReserveRequest) -> Called<Outcome> {
        self.command(context, paths::RESERVATIONS, request).await
    }

    pub async fn purchase(&self, context: &CallContext, request: &PurchaseRequest) -> Called<Outcome> {
        self.command(context, paths::PURCHASES, request).await
    }

    pub async fn confirm(&self, context: &CallContext, id: ReservationId) -> Called<Outcome> {
        self.command(context, &at(paths::CONFIRM, id), &crate::EmptyRequest {}).await
    }

    pub async fn release(&self, context: &CallContext, id: ReservationId) -> Called<Outcome> {
        self.command(context, &at(paths::RELEASE, id), &crate::EmptyRequest {}).await
    }

    pub async fn extend(&self, context: &CallContext, id: ReservationId, request: &ExtendRequest) -> Called<Outcome> {
        self.command(context, &at(paths::EXTEND, id), request).await
    }

    pub async fn acknowledge(&self, context: &CallContext, ids: Vec<ReservationId>) -> Called<Outcome> {
        self.command(context, paths::ACKNOWLEDGE, &AcknowledgeRequest { ids }).await
    }

    pub async fn receive(&self, context: &CallContext, request: &ReceiveRequest) -> Called<Outcome> {
        self.command(context, paths::RECEIVE, request).await
    }

    pub async fn adjust(&self, context: &CallContext, request: &AdjustRequest) -> Called<Outcome> {
        self.command(context, paths::ADJUST, request).await
    }

    pub async fn move_units(&self, context: &CallContext, request: &MoveRequest) -> Called<Outcome> {
        self.command(context, paths::MOVE, request).await
    }

    /// Many commands in one request; one outcome for each, in order.
    pub async fn batch(&self, context: &CallContext, request: &BatchRequest) -> Called<Vec<Outcome>> {
        let answered: BatchResponse = self.post(context, paths::BATCH, request).await?;
        Ok(answered.outcomes)
    }

    /// `None`: the SKU is not known.
    pub async fn stock(&self, context: &CallContext, sku: &Sku, consistency: Consistency) -> Called<Option<Stock>> {
        let path = paths::STOCK.replace("{sku}", &encode(sku.as_str()));
        let query = match consistency {
            Consistency::Linearizable => "",
            Consistency::Local => "?consistency=local",
        };
        self.find(context, &format!("{path}{query}"), consistency == Consistency::Local).await
    }

    /// A local read of many SKUs in order of name.
    pub async fn stock_page(&self, context: &CallContext, limit: u32, cursor: Option<&str>) -> Called<StockPage> {
        self.stock_page_of(context, limit, cursor, Consistency::Local).await
    }

    /// A read of many SKUs in order of name.
    pub async fn stock_page_of(
        &self,
        context: &CallContext,
        limit: u32,
        cursor: Option<&str>,
        consistency: Consistency,
    ) -> Called<StockPage> {
        let cursor = cursor.map(|cursor| format!("&cursor={}", encode(cursor))).unwrap_or_default();
        let (any, how) = match consistency {
            Consistency::Linearizable => (false, "&consistency=linearizable"),
            Consistency::Local => (true, ""),
        };
        self.get(context, &format!("{}?limit={limit}{how}{cursor}", paths::STOCK_LIST), any).await
    }

    /// A page of a SKU's ledger: of its `last` movements, or of what follows a page. `None`: the SKU is not known.
    pub async fn ledger(
        &self,
        context: &CallContext,
        sku: &Sku,
        last: u64,
        limit: u32,
        cursor: Option<&str>,
    ) -> Called<Option<LedgerPage>> {
        let path = paths::LEDGER.replace("{sku}", &encode(sku.as_str()));
        let from = cursor.map_or_else(|| format!("last={last}"), |cursor| format!("cursor={}", encode(cursor)));
        self.find(context, &format!("{path}?limit={limit}&{from}"), false).await
    }

    /// `None`: there is no such reservation, or it was forgotten.
    pub async fn reservation(&self, context: &CallContext, id: ReservationId) -> Called<Option<Reservation>> {
        self.find(context, &at(paths::RESERVATION, id), false).await
    }

    /// Confirmed reservations that nobody acknowledged for `older_than_ms`, oldest first.
    pub async fn unacknowledged(
        &self,
        context: &CallContext,
        older_than_ms: u64,
        limit: u32,
        cursor: Option<&str>,
    ) -> Called<Page<Reservation>> {
        let cursor = cursor.map(|cursor| format!("&cursor={}", encode(cursor))).unwrap_or_default();
        let query = format!("?state=confirmed&older_than_ms={older_than_ms}&limit={limit}{cursor}");
        self.get(context, &format!("{}{query}", paths::RESERVATIONS), false).await
    }

    /// Reservations of one state, in order of id.
    pub async fn reservations(
        &self,
        context: &CallContext,
        state: ReservationState,
        limit: u32,
        cursor: Option<&str>,
    ) -> Called<Page<Reservation>> {
        let cursor = cursor.map(|cursor| format!("&cursor={}", encode(cursor))).unwrap_or_default();
        let state = serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        self.get(context, &format!("{}?state={state}&limit={limit}{cursor}", paths::RESERVATIONS), false).await
    }

    /// Every reservation that is remembered, in short, in order of id.
    pub async fn reservation_briefs(&self, context: &CallContext, limit: u32, cursor: Option<&str>) -> Called<ReservationBriefs> {
        let cursor = cursor.map(|cursor| format!("&cursor={}", encode(cursor))).unwrap_or_default();
        self.get(context, &format!("{}?limit={limit}{cursor}", paths::RESERVATION_BRIEFS), false).await
    }

    /// The view of some node that answers.
    pub async fn cluster(&self, context: &CallContext) -> Called<ClusterView> {
        let view: ClusterView = self.get(context, paths::CLUSTER, true).await?;
        self.members.learn(&view);
        Ok(view)
    }

    /// Asks another node from now on for what every node answers.
    pub fn ask_another(&self) {
        self.members.rotate();
    }

    /// Stock changes after a token, from any node. The stream ends when the connection does; resume with the last token.
    pub async fn changes(
        &self,
        context: &CallContext,
        after: Option<&str>,
    ) -> Called<impl Stream<Item = Result<StockChange, ClientError>> + Send + use<>> {
        let query = after.map(|token| format!("?after={token}")).unwrap_or_default();
        let address = self.members.any();
        let request = call::request(context, &address, &format!("{}{query}", paths::CHANGES), None);
        let lost = || ClientError::NotExecuted { waited: Duration::ZERO };
        let answer = timeout(STREAM_START, self.http.send(request.map_err(|_| lost())?)).await;
        let answer = match answer {
            Ok(Ok(answer)) if answer.status().is_success() => answer,
            failed => {
                self.members.rotate();
                let untrusted = |reason| ClientError::Untrusted { reason };
                return Err(if let Ok(Err(Failed::Untrusted(reason))) = failed { untrusted(reason) } else { lost() });
            }
        };
        let bytes = answer.into_body().into_data_stream().map_err(std::io::Error::other);
        let lines = tokio_util::io::StreamReader::new(bytes);
        let codec = tokio_util::codec::LinesCodec::new_with_max_length(MAX_LINE_BYTES);
        Ok(tokio_util::codec::FramedRead::new(lines, codec).map(move |line| {
            let line = line.map_err(|_| lost())?;
            serde_json::from_str(&line).map_err(|_| lost())
        }))
    }
}

fn at(path: &str, id: ReservationId) -> String {
    path.replace("{id}", &id.to_string())
}

/// Percent-encodes what may not stand in a path segment or a query value (RFC 3986 section 2.3).
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Whether a problem says that the call was certainly not executed and may be tried elsewhere or later.
fn not_executed(problem: &Problem) -> bool {
    matches!(
        problem.kind(),
        Some(
            ProblemType::NotLeader
                | ProblemType::NoLeader
                | ProblemType::QueueFull
                | ProblemType::TooManyRequests
                | ProblemType::NoSpace
        )
    )
}
