//! Who may open the page at all: the `Host` and the `Origin` of every request, WebSocket included.
//!
//! Without it any website could talk to a host on the reader's own machine (DNS rebinding, cross-site WebSockets).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::hub::Hub;

/// Why a request is turned away.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("the request names no host")]
    NoHost,
    #[error(
        "`{0}` is not a name this host answers to: open it as 127.0.0.1 or localhost, or add the name to the allowed hosts"
    )]
    Host(String),
    #[error(
        "a page from `{origin}` may not talk to `{host}`; behind a proxy, pass the `Host` header on as the browser sent it"
    )]
    Origin { origin: String, host: String },
}

const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // A login link has its secret in the path.
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// Lets a request through or answers 403, and puts the security headers on the answer.
pub(crate) async fn guard(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let mut response = match check(request.headers(), &hub.options.allowed_hosts) {
        Ok(()) => next.run(request).await,
        Err(forbidden) => (StatusCode::FORBIDDEN, format!("Forbidden: {forbidden}.\n")).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(headers: &HeaderMap, allowed: &[String]) -> Result<(), Forbidden> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()));
    let host = text(HOST).ok_or(Forbidden::NoHost)?.to_ascii_lowercase();
    if !is_ours(&host, allowed) {
        return Err(Forbidden::Host(host));
    }
    match text(ORIGIN) {
        Some(origin) if !same_origin(&origin.to_ascii_lowercase(), &host) => {
            Err(Forbidden::Origin { origin: origin.into_owned(), host })
        }
        _ => Ok(()),
    }
}

fn is_ours(host: &str, allowed: &[String]) -> bool {
    let (name, _) = split_port(host);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || allowed.iter().any(|entry| entry.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(name))
}

/// Whether an origin is `http` or `https` at this host. The scheme's own port may be left out on either side.
fn same_origin(origin: &str, host: &str) -> bool {
    let at = |scheme: &str, port: &str| {
        let with_port = |text: &str| match split_port(text) {
            (name, None) => format!("{name}:{port}"),
            _ => text.to_owned(),
        };
        origin.strip_prefix(scheme).is_some_and(|authority| with_port(authority) == with_port(host))
    };
    at("http://", "80") || at("https://", "443")
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pair(host: &str, origin: Option<&str>) -> Result<(), Forbidden> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        check(&headers, &["chat.example.com".to_owned(), "box.lan:8080".to_owned()])
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for good in ["localhost:1", "LocalHost", "127.0.0.1:18789", "127.9.9.9", "[::1]:80", "[::1]"] {
            assert_eq!(check_pair(good, None), Ok(()), "{good}");
        }
        for good in ["chat.example.com", "Chat.Example.com:8443", "box.lan:8080"] {
            assert_eq!(check_pair(good, None), Ok(()), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:1", "10.0.0.1", "box.lan", ""] {
            assert!(matches!(check_pair(bad, None), Err(Forbidden::Host(_))), "{bad}");
        }
        assert_eq!(check(&HeaderMap::new(), &[]), Err(Forbidden::NoHost));
    }

    #[test]
    fn an_origin_must_be_the_host_itself() {
        for (host, origin) in [
            ("localhost:18789", "http://localhost:18789"),
            ("chat.example.com", "https://chat.example.com"),
            ("chat.example.com:443", "https://chat.example.com"),
            ("localhost", "http://localhost:80"),
        ] {
            assert_eq!(check_pair(host, Some(origin)), Ok(()), "{origin}");
        }
        for (host, origin) in [
            ("localhost:18789", "http://localhost:3000"),
            ("localhost:18789", "http://evil.example"),
            ("localhost:18789", "null"),
            ("chat.example.com:80", "https://chat.example.com"),
            ("chat.example.com", "ftp://chat.example.com"),
        ] {
            assert!(matches!(check_pair(host, Some(origin)), Err(Forbidden::Origin { .. })), "{origin}");
        }
    }
}
