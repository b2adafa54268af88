//! A checkout across regions: the ticket at home, the purchase beside the leader, the cart settled at home. Where home is beside the leader,
//! one call does all three.
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
use orders_api::{CART_EMPTIED_HEADER, SettleCartRequest, TICKET_HEADER, TicketResponse, paths};
use storefront_service::in_current_context;
use storefront_types::{CallContext, IdempotencyKey, Problem, ProblemType};

use attempts::{Attempts, Heard, Next};
pub(crate) use waiting::WaitingRoom;

use crate::{
    storefront::{Storefront, home_region},
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

/// The answer waits so long for it, so that the shopper's next look at the cart finds it empty, unless it was emptied with the order.
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
    // Only home gives tickets.
    headers.remove(TICKET_HEADER);
    let (answer, ticket) = purchase(&shop, &context, &mut headers, body).await?;
    if let Some(ticket) = ticket.filter(|_| matches!(answer.status, StatusCode::CREATED | StatusCode::ACCEPTED)) {
        let work = shop.work.clone();
        let settled = work.spawn(async move { settle(&shop, &context, &headers, ticket).await });
        if !answer.headers.contains_key(CART_EMPTIED_HEADER) {
            let _ = tokio::time::timeout(SETTLE_BEFORE_ANSWER, settled).await;
        }
    }
    Ok(answer)
}

/// The ticket, or the answer by which home refused it.
async fn ticket(
    shop: &Storefront,
    context: &CallContext,
    headers: &HeaderMap,
    left: Duration,
) -> Result<Result<TicketResponse, Answer>, Problem> {
    let Ok(ticket) = tokio::time::timeout(left, ticket_at_home(shop, context, headers)).await else {
        let detail = "your region does not answer, and nothing was bought; ask again with the same Idempotency-Key";
        return Err(Problem::new(ProblemType::Unavailable).detail(detail));
    };
    ticket
}

async fn ticket_at_home(
    shop: &Storefront,
    context: &CallContext,
    headers: &HeaderMap,
) -> Result<Result<TicketResponse, Answer>, Problem> {
    let answer = shop.at_home(context, (Method::POST, paths::TICKET), headers, Bytes::new()).await?;
    if !answer.status.is_success() {
        return Ok(Err(answer));
    }
    match serde_json::from_slice::<TicketResponse>(&answer.body) {
        Ok(found) => Ok(Ok(found)),
        Err(_) => Err(Problem::new(ProblemType::BadGateway).detail("orders gave no ticket")),
    }
}

/// Asks the `orders` beside the leader, then the others, until one gives a final answer, the budget is spent or the deadline is over. Gives the
/// ticket that the answer is for; none where home bought and settled by itself. The ticket stays among the headers.
async fn purchase(
    shop: &Storefront,
    context: &CallContext,
    headers: &mut HeaderMap,
    body: Bytes,
) -> Result<(Answer, Option<String>), Problem> {
    let (began, home) = (Instant::now(), home_region(headers));
    let left = || DEADLINE.saturating_sub(began.elapsed());
    let (mut attempts, mut turn, mut ticket, mut unbound) = (Attempts::new(), 0, None, false);
    loop {
        if let Err(refused) = shop.waiting.wait(&shop.leader, left()).await {
            return if attempts.may_have_bought() { Err(unknown()) } else { Err(refused) };
        }
        let term = shop.leader.term();
        let region = shop.leader.region();
        let instances = shop.upstream.usable(&shop.orders_from(region.as_ref()));
        let address = instances.get(turn % instances.len().max(1)).copied().unwrap_or_default();
        let is_home = shop.upstream.usable(&shop.orders_from(home.as_ref())).first() == Some(&address);
        if ticket.is_none() && !is_home {
            match self::ticket(shop, context, headers, left()).await {
                Ok(Ok(TicketResponse { ticket: given, copied })) => {
                    headers
                        .insert(TICKET_HEADER, HeaderValue::from_str(&given).map_err(|_| Problem::new(ProblemType::BadGateway))?);
                    unbound |= copied;
                    ticket = Some(given);
                }
                _ if attempts.may_have_bought() => return Err(unknown()),
                Ok(Err(refused)) => return Ok((refused, None)),
                Err(problem) => return Err(problem),
            }
        }
        // An attempt that may have bought and was not bound to one cart: it may be another one by now, so a refusal says nothing of it.
        let is_doubtful = unbound && attempts.may_have_bought();
        unbound |= ticket.is_none();
        let (heard, answer) = ask(shop, context, address, headers, body.clone(), left()).await;
        let moved = shop.leader.term() > term;
        match (attempts.next(heard, moved, left(), || shop.upstream.may_repeat("checkout")), answer) {
            (Next::Answer, Some(answer)) if is_doubtful && answer.status.is_client_error() => return Err(unknown()),
            (Next::Answer, Some(answer)) => return Ok((answer, ticket)),
            // An attempt may have bought; a later "not now" does not take that back.
            (Next::GiveUp { perhaps: true }, _) => return Err(unknown()),
            (Next::GiveUp { perhaps: false }, Some(answer)) => return Ok((answer, ticket)),
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

/// One attempt.
async fn ask(
    shop: &Storefront,
    context: &CallContext,
    address: &str,
    headers: &HeaderMap,
    body: Bytes,
    left: Duration,
) -> (Heard, Option<Answer>) {
    match shop.upstream.call(context, address, (Method::POST, paths::CHECKOUT), headers, body, left.min(ATTEMPT)).await {
        Ok(answer) => {
            shop.leader.take_hint(&answer.headers);
            (heard(answer.status), Some(answer))
        }
        Err(error) => {
            tracing::info!(%error, "a checkout has no answer");
            let heard = match error {
                UpstreamError::Unreachable { .. } => Heard::NotNow,
                UpstreamError::Broken { .. } | UpstreamError::Full { .. } => Heard::LeftAlone,
                UpstreamError::NoAnswer { .. } => Heard::Perhaps,
            };
            (heard, None)
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
