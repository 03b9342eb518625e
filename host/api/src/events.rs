//! What happens, as it happens: one line of JSON each, as server-sent events.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event as Line, KeepAlive};
use futures_util::stream::{self, Stream};
use switchhook_runtime::Event;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use crate::error::ApiError;
use crate::probes::Readiness;
use crate::routes::Api;

/// How long a client that was refused a stream should wait, in seconds.
const RETRY_AFTER: u32 = 10;

struct Source {
    events: broadcast::Receiver<Event>,
    readiness: watch::Receiver<Readiness>,
    _permit: OwnedSemaphorePermit,
}

/// Streams events from now on until the host drains. Who reads too slowly is told how many were left out.
pub(crate) async fn stream(
    State(api): State<Api>,
) -> Result<Sse<impl Stream<Item = Result<Line, Infallible>>>, ApiError> {
    let permit = api.streams.try_acquire_owned();
    let permit =
        permit.map_err(|_| ApiError::TooMany { what: "too many event streams are open", retry_after: RETRY_AFTER })?;
    let source = Source { events: api.host.events(), readiness: api.readiness, _permit: permit };
    Ok(Sse::new(stream::unfold(source, next)).keep_alive(KeepAlive::default()))
}

async fn next(mut source: Source) -> Option<(Result<Line, Infallible>, Source)> {
    let received = tokio::select! {
        received = source.events.recv() => received,
        _ = source.readiness.wait_for(|r| *r == Readiness::Draining) => return None,
    };
    let line = match received {
        Ok(event) => Line::default().json_data(&event).unwrap_or_else(|_| Line::default().comment("unwritable")),
        Err(RecvError::Lagged(missed)) => Line::default().event("lagged").data(missed.to_string()),
        Err(RecvError::Closed) => return None,
    };
    Some((Ok(line), source))
}
