//! Who asks, for the audit and for limits.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use switchhook_runtime::link::Caller;

/// Everybody who has the token is the same user.
const ACTOR: &str = "api-token";
/// The longest part of a user agent that is kept, in characters.
const USER_AGENT: usize = 200;

/// A [`Caller`], from the connection and its headers.
pub(crate) struct Asking(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let user_agent = agent.map(|agent| agent.chars().take(USER_AGENT).collect());
        Ok(Self(Caller { actor: ACTOR.to_owned(), address, user_agent }))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// B10: address and user agent are those of the request; an agent of any length is cut.
    #[tokio::test]
    async fn the_caller_is_known_by_address_and_agent() {
        let address: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let request = Request::builder().header("user-agent", "x".repeat(5_000)).extension(ConnectInfo(address));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(Asking(caller)) = Asking::from_request_parts(&mut parts, &()).await;
        assert_eq!((caller.actor.as_str(), caller.address.as_deref()), (ACTOR, Some("127.0.0.1")));
        assert_eq!(caller.user_agent.map(|agent| agent.len()), Some(USER_AGENT));
    }
}
