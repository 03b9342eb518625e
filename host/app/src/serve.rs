//! The one HTTP server: the web chat at `/`, the API under `/api/v1`, probes and metrics.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::places::Places;

/// Takes the address before anything else is started, so that a second host touches nothing.
pub(crate) async fn bind(places: &Places, listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen).await.map_err(|error| Failure::Other {
        what: format!("can't listen on {listen}: {error}"),
        help: Some("stop what listens there, or change `listen` in `[host]`".to_owned()),
    })?;
    let address = listener.local_addr().map_err(|error| Failure::other("the server has no address", error))?;
    places.note_address(address).map_err(|error| Failure::other("the server's address can't be noted", error))?;
    Ok(listener)
}

/// Serves until it is told to stop; then what is under way is finished.
pub(crate) fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> impl Future<Output = std::io::Result<()>> {
    // The audit says from where something was asked.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).into_future()
}
