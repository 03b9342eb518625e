//! Where media are: put and got over HTTP beside the control. Devices are told a host that does not exist, since they
//! speak https only; a test's HTTP client turns `https://media.fake.invalid/…` into this program's address.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use whatsapp_rust::wacore::download::MediaType;
use whatsapp_rust::wacore::upload::{EncryptedMedia, encrypt_media};
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::node;
use crate::world::{Shared, World};

const HOST: &str = "media.fake.invalid";
const TOKEN: &str = "fake-media-token";

/// What a device asks for before it uploads.
pub(crate) fn connection() -> Node {
    let host = NodeBuilder::new("host").attr("hostname", HOST).build();
    let node = NodeBuilder::new("media_conn").attr("auth", TOKEN).attr("ttl", "3600").attr("auth_ttl", "3600");
    node.attr("max_buckets", "12").children([host]).build()
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/mms/{kind}/{token}", get(download).post(upload).put(upload))
        .route("/v/{name}", get(stored))
        .layer(axum::extract::DefaultBodyLimit::disable())
}

async fn upload(
    State(shared): State<Arc<Shared>>,
    Path((kind, token)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let mut world = shared.world();
    if query.get("auth").map(String::as_str) != Some(TOKEN) {
        world.ledger.violation(None, "an upload without the token that media_conn gave");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if query.contains_key("resume") {
        return axum::Json(json!({ "resume": "0" })).into_response();
    }
    let path = format!("/mms/{kind}/{token}");
    world.ledger.add("uploaded", json!({ "path": path, "bytes": body.len() }));
    world.media.insert(path.clone(), body);
    drop(world);
    shared.ring();
    axum::Json(json!({ "url": format!("https://{HOST}{path}"), "direct_path": path })).into_response()
}

async fn download(State(shared): State<Arc<Shared>>, Path((kind, token)): Path<(String, String)>) -> Response {
    give(&shared, &format!("/mms/{kind}/{token}"))
}

async fn stored(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Response {
    give(&shared, &format!("/v/{name}"))
}

fn give(shared: &Shared, path: &str) -> Response {
    match shared.world().media.get(path) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Media of somebody: encrypted, stored, and where.
pub(crate) struct Stored {
    pub(crate) sealed: EncryptedMedia,
    pub(crate) path: String,
    pub(crate) url: String,
}

pub(crate) fn store(world: &mut World, kind: MediaType, content: &[u8]) -> anyhow::Result<Stored> {
    let sealed = encrypt_media(content, kind).context("encrypting the media")?;
    let path = format!("/v/{}", node::id("M"));
    world.media.insert(path.clone(), Bytes::from(sealed.data_to_upload.clone()));
    Ok(Stored { sealed, url: format!("https://{HOST}{path}"), path })
}
