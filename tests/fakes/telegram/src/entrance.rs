//! Where the bots come in: `/bot<token>/<method>` and `/file/bot<token>/<path>`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::fault::FaultKind;
use crate::methods;
use crate::net::Peer;
use crate::params::Params;
use crate::refusal::{Answer, Refusal};
use crate::world::Fake;

pub(crate) async fn enter(
    State(fake): State<Arc<Fake>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let path = request.uri().path().to_owned();
    let fault = {
        let mut world = fake.world();
        if world.outage {
            peer.cut.cancel();
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        world.callers.insert(peer.connection, peer.cut.clone());
        if path.starts_with("/bot") { world.faults.strike(path.rsplit('/').next().unwrap_or_default()) } else { None }
    };
    match &fault {
        Some(FaultKind::CutBefore) => {
            peer.cut.cancel();
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Some(FaultKind::Status { code, description, retry_after }) => return refused(*code, description, *retry_after),
        Some(FaultKind::Slow { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(FaultKind::Cut | FaultKind::Malformed) | None => {}
    }
    let answer = match path.strip_prefix("/file/bot") {
        Some(rest) => file(&fake, rest, request.headers()),
        None => call(&fake, &peer, &path, request)
            .await
            .map(|result| Json(json!({ "ok": true, "result": result })).into_response()),
    };
    match fault {
        Some(FaultKind::Cut) => {
            peer.cut.cancel();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Some(FaultKind::Malformed) => "{\"ok\":true,\"result\":".into_response(),
        _ => answer.unwrap_or_else(IntoResponse::into_response),
    }
}

async fn call(fake: &Arc<Fake>, peer: &Peer, path: &str, request: Request) -> Answer {
    let not_found = || Refusal::new(404, "Not Found");
    let (token, method) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')).ok_or_else(not_found)?;
    let bot = fake.world().bot_of(token)?;
    let method = methods::named(method).ok_or_else(not_found)?;
    fake.world().ledger.called(bot, peer);
    let params = Params::read(request).await?;
    let call = methods::Call { fake, peer, bot, method, params };
    let result = call.carry_out().await;
    fake.ring();
    result
}

/// An error of one's choice, in Telegram's shape.
fn refused(code: u16, description: &Option<String>, retry_after: Option<u64>) -> Response {
    let usual = match code {
        401 => "Unauthorized",
        403 => "Forbidden: bot was blocked by the user",
        409 => "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        429 => return Refusal::too_many(retry_after.unwrap_or(1)).into_response(),
        500.. => "Internal Server Error",
        _ => "Bad Request",
    };
    let description = description.clone().unwrap_or_else(|| usual.to_owned());
    Refusal { code, description, retry_after }.into_response()
}

/// The bytes of a file, or of a range of it.
fn file(fake: &Arc<Fake>, rest: &str, headers: &HeaderMap) -> Answer<Response> {
    let not_found = || Refusal::new(404, "Not Found");
    let (token, path) = rest.split_once('/').ok_or_else(not_found)?;
    let mut world = fake.world();
    let bot = world.bot_of(token)?;
    let file = world.bot(bot)?.files.values().find(|file| file.path == path).ok_or_else(not_found)?;
    let size = file.bytes.len();
    let Some((from, to)) = range(headers, size) else { return Ok(file.bytes.clone().into_response()) };
    if from >= size {
        return Ok(StatusCode::RANGE_NOT_SATISFIABLE.into_response());
    }
    let part = file.bytes.slice(from..to.min(size));
    let shown = format!("bytes {from}-{}/{size}", from + part.len() - 1);
    Ok((StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, shown)], Body::from(part)).into_response())
}

/// A range of the simple form, its end exclusive.
fn range(headers: &HeaderMap, size: usize) -> Option<(usize, usize)> {
    let (from, to) = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let to = if to.is_empty() { size } else { to.parse::<usize>().ok()?.checked_add(1)? };
    Some((from.parse().ok()?, to))
}
