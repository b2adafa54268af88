//! A checkout across regions: the ticket at home, the purchase beside the leader, the cart settled at home.
//!
//! Every attempt carries the same idempotency key, so any of them may be repeated anywhere. The work goes on when the client hangs up.

mod attempts;
mod waiting;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use orders_api::{SettleCartRequest, TICKET_HEADER, TicketResponse, paths};
use storefront_service::in_current_context;
use storefront_types::{CallContext, IdempotencyKey, Problem, ProblemType};

use attempts::{Attempts, Heard, Next};
pub(crate) use waiting::WaitingRoom;

use crate::{
    storefront::Storefront,
    upstream::{Answer, UpstreamError},
};

/// For the ticket and all attempts: several elections fit into it.
const DEADLINE: Duration = Duration::from_secs(15);

/// One attempt: `orders` itself waits up to 5 s for a leader, and 1.5 s for PostgreSQL twice.
const ATTEMPT: Duration = Duration::from_secs(9);

/// Settling is a courtesy: a cart that is not emptied shows again, and cannot be bought twice with one key.
const SETTLE: Duration = Duration::from_secs(3);

/// A checkout from its begin to its end, whether or not the shopper is still there: 18 s.
pub(crate) const LONGEST: Duration = Duration::from_secs(DEADLINE.as_secs() + SETTLE.as_secs());

/// The answer waits so long for it, so that the shopper's next look at the cart finds it empty.
const SETTLE_BEFORE_ANSWER: Duration = Duration::from_millis(250);

/// Checks what can be checked here, then runs the checkout to its end.
pub(crate) async fn checkout(
    shop: Arc<Storefront>,
    context: CallContext,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Problem> {
    check_key(&headers)?;
    let work = in_current_context(run(shop.clone(), context, headers, body));
    let answered = shop.work.spawn(work).await.unwrap_or_else(|_| Err(Problem::new(ProblemType::Internal)));
    let outcome = answered.as_ref().map_or_else(|problem| problem.status, |answer| answer.status.as_u16());
    metrics::counter!("edge_checkouts_total", "status" => outcome.to_string()).increment(1);
    answered
}

fn check_key(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        let detail = "send a fresh UUID as Idempotency-Key; a retry of the same checkout sends the same one";
        return Err(Problem::new(ProblemType::MissingIdempotencyKey).detail(detail));
    };
    let is_one = headers.get_all("idempotency-key").iter().count() == 1;
    match value.to_str().map(str::parse::<IdempotencyKey>) {
        Ok(Ok(_)) if is_one => Ok(()),
        _ => {
            let detail = "one key of 1 to 144 visible ASCII characters without '/'";
            Err(Problem::new(ProblemType::InvalidIdempotencyKey).detail(detail).invalid_param("Idempotency-Key", detail))
        }
    }
}

async fn run(shop: Arc<Storefront>, context: CallContext, mut headers: HeaderMap, body: Bytes) -> Result<Answer, Problem> {
    let began = Instant::now();
    let Ok(ticket) = tokio::time::timeout(DEADLINE, ticket(&shop, &context, &headers)).await else {
        let detail = "your region does not answer, and nothing was bought; ask again with the same Idempotency-Key";
        return Err(Problem::new(ProblemType::Unavailable).detail(detail));
    };
    let ticket = match ticket? {
        Ok(ticket) => ticket,
        Err(refused) => return Ok(refused),
    };
    let value = HeaderValue::from_str(&ticket).map_err(|_| Problem::new(ProblemType::BadGateway))?;
    headers.insert(TICKET_HEADER, value);
    let answer = purchase(&shop, &context, &headers, body, began).await?;
    if matches!(answer.status, StatusCode::CREATED | StatusCode::ACCEPTED) {
        let work = shop.work.clone();
        let settled = work.spawn(async move { settle(&shop, &context, &headers, ticket).await });
        let _ = tokio::time::timeout(SETTLE_BEFORE_ANSWER, settled).await;
    }
    Ok(answer)
}

/// The ticket, or the answer by which home refused it.
async fn ticket(shop: &Storefront, context: &CallContext, headers: &HeaderMap) -> Result<Result<String, Answer>, Problem> {
    let answer = shop.at_home(context, (Method::POST, paths::TICKET), headers, Bytes::new()).await?;
    if !answer.status.is_success() {
        return Ok(Err(answer));
    }
    match serde_json::from_slice::<TicketResponse>(&answer.body) {
        Ok(found) => Ok(Ok(found.ticket)),
        Err(_) => Err(Problem::new(ProblemType::BadGateway).detail("orders gave no ticket")),
    }
}

/// Asks the `orders` beside the leader, then the others, until one gives a final answer, the budget is spent or the deadline is over.
async fn purchase(
    shop: &Storefront,
    context: &CallContext,
    headers: &HeaderMap,
    body: Bytes,
    began: Instant,
) -> Result<Answer, Problem> {
    let (mut attempts, mut turn, mut last) = (Attempts::new(), 0, None);
    loop {
        let left = DEADLINE.saturating_sub(began.elapsed());
        if let Err(refused) = shop.waiting.wait(&shop.leader, left).await {
            return if attempts.may_have_bought() { Err(unknown()) } else { Err(refused) };
        }
        let left = DEADLINE.saturating_sub(began.elapsed());
        let term = shop.leader.term();
        let region = shop.leader.region();
        let instances = shop.upstream.usable(&shop.orders_from(region.as_ref()));
        let address = instances.get(turn % instances.len().max(1)).copied().unwrap_or_default();
        let target = (Method::POST, paths::CHECKOUT);
        let asked = shop.upstream.call(context, address, target, headers, body.clone(), left.min(ATTEMPT)).await;
        let heard = match asked {
            Ok(answer) => {
                shop.leader.take_hint(&answer.headers);
                let heard = heard(answer.status);
                last = Some(answer);
                heard
            }
            Err(error) => {
                tracing::info!(%error, "a checkout has no answer");
                match error {
                    UpstreamError::Unreachable { .. } => Heard::NotNow,
                    UpstreamError::Broken { .. } | UpstreamError::Full { .. } => Heard::LeftAlone,
                    UpstreamError::NoAnswer { .. } => Heard::Perhaps,
                }
            }
        };
        let (moved, left) = (shop.leader.term() > term, DEADLINE.saturating_sub(began.elapsed()));
        match (attempts.next(heard, moved, left, || shop.upstream.may_repeat("checkout")), last.take()) {
            (Next::Answer, Some(answer)) => return Ok(answer),
            // An attempt may have bought; a later "not now" does not take that back.
            (Next::GiveUp { perhaps: true }, _) => return Err(unknown()),
            (Next::GiveUp { perhaps: false }, Some(answer)) => return Ok(answer),
            (Next::GiveUp { perhaps: false } | Next::Answer, None) => {
                let detail = "no region takes checkouts now; ask again with the same Idempotency-Key";
                return Err(Problem::new(ProblemType::Unavailable).detail(detail));
            }
            (Next::Follow, _) => turn = 0,
            (Next::Repeat { pause }, _) => {
                turn += 1;
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn unknown() -> Problem {
    Problem::new(ProblemType::UnknownOutcome).detail("ask again with the same Idempotency-Key")
}

fn heard(status: StatusCode) -> Heard {
    match status.as_u16() {
        429 | 503 => Heard::NotNow,
        500.. => Heard::Perhaps,
        _ => Heard::Final,
    }
}

async fn settle(shop: &Storefront, context: &CallContext, headers: &HeaderMap, ticket: String) {
    let body = serde_json::to_vec(&SettleCartRequest { ticket }).unwrap_or_default();
    let mut headers = headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let settled = shop.at_home(context, (Method::POST, paths::SETTLE_CART), &headers, body.into());
    match tokio::time::timeout(SETTLE, settled).await {
        Ok(Ok(answer)) if answer.status.is_success() => {}
        _ => tracing::warn!("a bought cart was not emptied"),
    }
}
