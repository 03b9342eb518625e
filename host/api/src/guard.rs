//! Who may ask: `Host`, `Origin` and the token, in this order, before anything else of a request is looked at.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use switchhook_core::origin::OwnNames;

use crate::error::ApiError;
use crate::token::TokenHash;

/// What a request is checked against.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) names: OwnNames,
    pub(crate) token: TokenHash,
}

/// Lets a request through that comes from here and carries the token.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Result<Response, ApiError> {
    check_names(&guard.names, &request)?;
    check_token(&guard.token, request.headers())?;
    Ok(next.run(request).await)
}

/// With HTTP/2 the host's name is in the request line.
fn check_names(names: &OwnNames, request: &Request) -> Result<(), ApiError> {
    let text = |name| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let host = text(header::HOST).or_else(|| request.uri().authority().map(|a| a.as_str().into()));
    Ok(names.check(host.as_deref(), text(header::ORIGIN).as_deref())?)
}

fn check_token(token: &TokenHash, headers: &HeaderMap) -> Result<(), ApiError> {
    let presented = headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(bearer);
    match presented {
        Some(presented) if token.matches(presented) => Ok(()),
        _ => Err(ApiError::Unauthorized),
    }
}

/// The scheme's name is not case-sensitive (RFC 9110).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Router, middleware};
    use secrecy::ExposeSecret;
    use tower::ServiceExt;

    use super::*;
    use crate::token::LocalToken;

    struct Fixture {
        router: Router,
        token: String,
        _folder: tempfile::TempDir,
    }

    fn fixture(listen: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let token = LocalToken::open_or_make(folder.path()).unwrap();
        let state =
            Guard { names: OwnNames::new(listen.parse().unwrap(), &["chat.example".to_owned()]), token: token.hash() };
        let router =
            Router::new().route("/", get(async || "in")).layer(middleware::from_fn_with_state(state, super::guard));
        Fixture { router, token: token.secret().expose_secret().to_owned(), _folder: folder }
    }

    async fn status(fixture: &Fixture, headers: &[(&str, &str)]) -> StatusCode {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        fixture.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn only_the_token_opens_the_door() {
        let fixture = fixture("127.0.0.1");
        let right = format!("Bearer {}", fixture.token);
        let wrong = format!("Bearer {}", "0".repeat(64));
        let host = ("host", "127.0.0.1:18789");
        assert_eq!(status(&fixture, &[host, ("authorization", &right)]).await, StatusCode::OK);
        assert_eq!(status(&fixture, &[host, ("authorization", &wrong)]).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&fixture, &[host, ("authorization", &fixture.token)]).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&fixture, &[host]).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_foreign_name_is_refused_even_with_the_token() {
        let fixture = fixture("127.0.0.1");
        let token = format!("Bearer {}", fixture.token);
        for (host, expect) in [
            ("localhost:18789", StatusCode::OK),
            ("[::1]:18789", StatusCode::OK),
            ("127.0.0.1", StatusCode::OK),
            ("chat.example", StatusCode::OK),
            ("evil.example:18789", StatusCode::FORBIDDEN),
            ("localhost.evil.example", StatusCode::FORBIDDEN),
            ("192.0.2.1:18789", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(status(&fixture, &[("host", host), ("authorization", &token)]).await, expect, "{host}");
        }
        assert_eq!(status(&fixture, &[("authorization", &token)]).await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn a_host_on_every_address_answers_to_addresses_not_to_names() {
        let fixture = fixture("0.0.0.0");
        let token = format!("Bearer {}", fixture.token);
        for (host, expect) in [("192.0.2.1:18789", StatusCode::OK), ("evil.example:18789", StatusCode::FORBIDDEN)] {
            assert_eq!(status(&fixture, &[("host", host), ("authorization", &token)]).await, expect, "{host}");
        }
    }

    #[tokio::test]
    async fn a_page_of_another_origin_is_refused() {
        let fixture = fixture("127.0.0.1");
        let token = format!("Bearer {}", fixture.token);
        for (origin, expect) in [
            ("http://localhost:18789", StatusCode::OK),
            ("http://localhost:3000", StatusCode::FORBIDDEN),
            ("https://evil.example", StatusCode::FORBIDDEN),
            ("null", StatusCode::FORBIDDEN),
        ] {
            let headers = [("host", "localhost:18789"), ("authorization", token.as_str()), ("origin", origin)];
            assert_eq!(status(&fixture, &headers).await, expect, "{origin}");
        }
    }
}
