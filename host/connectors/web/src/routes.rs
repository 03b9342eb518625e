//! The addresses of the web chat.

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::guard::guard;
use crate::hub::Hub;
use crate::live::Live;
use crate::page;
use crate::socket;
use crate::visitor::{Transport, Visitor, find_cookie, set_cookie};

/// The largest frame a page may send: the longest text, with every byte of it escaped, and room for the rest.
const MAX_FRAME: usize = 128 * 1024;

pub(crate) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/chat/{channel}", get(chat))
        .route("/chat/{channel}/socket", get(open_socket))
        // A wildcard: a secret may have a slash in it.
        .route("/chat/{channel}/login/{*token}", get(login))
        .route("/chat-assets/{file}", get(asset))
        .route_layer(from_fn_with_state(Arc::clone(&hub), guard))
        .with_state(hub)
}

async fn asset(Path(file): Path<String>) -> Response {
    match page::ASSETS.iter().find(|(name, ..)| *name == file) {
        Some((_, media_type, content)) => ([(CONTENT_TYPE, *media_type)], *content).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn front(State(hub): State<Arc<Hub>>) -> Response {
    match hub.all().as_slice() {
        [] => (StatusCode::NOT_FOUND, Html(page::no_chat())).into_response(),
        [only] => Redirect::to(&format!("/chat/{}", only.channel)).into_response(),
        several => Html(page::list(several)).into_response(),
    }
}

async fn chat(State(hub): State<Arc<Hub>>, Path(channel): Path<String>) -> Response {
    match hub.find(&channel) {
        Some(live) => Html(page::chat(&live)).into_response(),
        None => absent(),
    }
}

/// Proves a visitor's name. The secret itself is in no log, and the page that follows has another address.
async fn login(
    State(hub): State<Arc<Hub>>,
    Path((channel, token)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(live) = hub.find(&channel) else { return absent() };
    let Some(visitor) = Visitor::from_token(&live.channel, &live.settings(), &token) else {
        tracing::warn!(channel = %live.channel, "somebody followed a login link that belongs to no visitor");
        return (StatusCode::FORBIDDEN, Html(page::wrong_link())).into_response();
    };
    let cookie = set_cookie(&live.channel, &visitor, transport(&headers));
    ([(SET_COOKIE, cookie)], Redirect::to(&format!("/chat/{}", live.channel))).into_response()
}

/// Opens a socket, and here a newcomer gets the name and the cookie of a guest. Not with the page: a browser that
/// follows a link from another site asks for the page without `SameSite=Strict` cookies, and a new one would overwrite
/// who the visitor is.
async fn open_socket(
    State(hub): State<Arc<Hub>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME),
        Err(_) if hub.find(&channel).is_none() => return absent(),
        Err(rejection) => return rejection.into_response(),
    };
    // A browser can't see the status of a refused upgrade, so the page is told by a close code.
    let Some(live) = hub.find(&channel) else { return upgrade.on_upgrade(socket::turn_away) };
    let known = known_visitor(&live, &headers);
    let fresh = known.is_none();
    let visitor = known.unwrap_or_else(|| Visitor::guest(&live.channel, &live.settings()));
    let cookie = fresh.then(|| set_cookie(&live.channel, &visitor, transport(&headers)));
    let here = live.sockets.token();
    let response = upgrade.on_upgrade(move |ws| async move {
        socket::serve(ws, hub, live, visitor).await;
        drop(here);
    });
    match cookie {
        Some(cookie) => ([(SET_COOKIE, cookie)], response).into_response(),
        None => response,
    }
}

fn known_visitor(live: &Live, headers: &HeaderMap) -> Option<Visitor> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let settings = live.settings();
    cookies
        .filter_map(|header| find_cookie(header, &live.channel))
        .find_map(|proof| Visitor::from_proof(&live.channel, &settings, proof))
}

/// Encrypted where the browser's origin says so, or the proxy in front of us.
fn transport(headers: &HeaderMap) -> Transport {
    let says =
        |name: &str, prefix: &str| headers.get(name).is_some_and(|v| v.as_bytes().starts_with(prefix.as_bytes()));
    if says(ORIGIN.as_str(), "https://") || says("x-forwarded-proto", "https") {
        Transport::Tls
    } else {
        Transport::Plain
    }
}

fn absent() -> Response {
    (StatusCode::NOT_FOUND, Html(page::absent())).into_response()
}
