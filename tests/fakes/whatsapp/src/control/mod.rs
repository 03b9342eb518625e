//! How tests and people drive the fake: `/_control/`.

mod fault;
mod people;
mod show;
mod write;

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::world::{Shared, World};

type Fake = State<Arc<Shared>>;
type Told = Result<Json<Value>, Wrong>;

/// Why a command was not carried out.
pub(crate) struct Wrong(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": format!("{:#}", self.0) }))).into_response()
    }
}

/// What a command is told, as JSON; whoever sends something else is told what is wrong with it.
pub(crate) struct Order<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Order<T> {
    type Rejection = Wrong;

    async fn from_request(request: Request, state: &S) -> Result<Self, Wrong> {
        let order = Json::from_request(request, state).await;
        order.map(|Json(order)| Self(order)).map_err(|wrong| Wrong(anyhow::anyhow!(wrong.body_text())))
    }
}

/// What is asked for in an address.
pub(crate) struct Asked<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Wrong;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Wrong> {
        let asked = Query::from_request_parts(parts, state).await;
        asked.map(|Query(asked)| Self(asked)).map_err(|wrong| Wrong(anyhow::anyhow!(wrong.body_text())))
    }
}

/// Does something to the world, and lets those who wait know.
fn act(shared: &Shared, work: impl FnOnce(&mut World) -> anyhow::Result<Value>) -> Told {
    let done = work(&mut shared.world());
    shared.ring();
    Ok(Json(done?))
}

pub(crate) fn router(url: String) -> Router<Arc<Shared>> {
    Router::new()
        .route("/_control/server", get(move |state| show::server(state, url.clone())))
        .route("/_control/accounts", post(people::account).get(show::accounts))
        .route("/_control/contacts", post(people::contact))
        .route("/_control/groups", post(people::group))
        .route("/_control/scan", post(people::scan))
        .route("/_control/enter-code", post(people::enter_code))
        .route("/_control/show-passkey", post(people::show_passkey))
        .route("/_control/confirm-passkey", post(people::confirm_passkey))
        .route("/_control/seed", post(people::seed))
        .route("/_control/unlink", post(people::unlink))
        .route("/_control/write", post(write::write))
        .route("/_control/receipt", post(write::receipt))
        .route("/_control/typing", post(write::typing))
        .route("/_control/faults", post(fault::change).delete(fault::clear))
        .route("/_control/stream-error", post(fault::stream_error))
        .route("/_control/drop", post(fault::cut))
        .route("/_control/outage", post(fault::outage))
        .route("/_control/oldest", post(fault::oldest))
        .route("/_control/rotate", post(fault::rotate))
        .route("/_control/ledger", get(show::ledger).delete(show::forget))
        .route("/_control/wait", get(show::wait))
        .route("/_control/{command}", any(unknown))
        .method_not_allowed_fallback(unknown)
}

/// A command that there is not, or that is asked for where it is to be told, or the other way round.
async fn unknown(method: Method, at: Uri) -> Wrong {
    Wrong(anyhow::anyhow!("there is no {method} {}", at.path()))
}
