//! What an orchestrator asks. Without a token, and under any name: it asks by address, and learns nothing but a word.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::watch;

/// How far the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    Starting,
    Ready,
    /// It finishes what it has begun and takes nothing new.
    Draining,
}

/// `/livez`: the process answers. `/startedz`: the first config runs. `/readyz`: it takes messages.
pub(crate) fn router(readiness: watch::Receiver<Readiness>) -> Router {
    let started = readiness.clone();
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/startedz", get(async move || started_answer(*started.borrow())))
        .route("/readyz", get(async move || ready_answer(*readiness.borrow())))
}

fn started_answer(readiness: Readiness) -> (StatusCode, &'static str) {
    match readiness {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Ready | Readiness::Draining => (StatusCode::OK, "ok"),
    }
}

fn ready_answer(readiness: Readiness) -> (StatusCode, &'static str) {
    match readiness {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Ready => (StatusCode::OK, "ok"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn status(router: &Router, path: &str) -> u16 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn probes_follow_the_host_from_start_to_drain() {
        let (sender, receiver) = watch::channel(Readiness::Starting);
        let router = router(receiver);
        for (readiness, expect) in [
            (Readiness::Starting, [200, 503, 503]),
            (Readiness::Ready, [200, 200, 200]),
            (Readiness::Draining, [200, 200, 503]),
        ] {
            sender.send(readiness).unwrap();
            for (path, expect) in ["/livez", "/startedz", "/readyz"].into_iter().zip(expect) {
                assert_eq!(status(&router, path).await, expect, "{path} while {readiness:?}");
            }
        }
    }
}
