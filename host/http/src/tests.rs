use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Answers each request with the port it came from.
async fn echo_of_ports() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let port = async |ConnectInfo(from): ConnectInfo<std::net::SocketAddr>| from.port().to_string();
    let app = Router::new().route("/", get(port)).into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn port_of_call(clients: &Clients, url: &str) -> String {
    let call = async { clients.here().get(url).send().await.unwrap().text().await.unwrap() };
    tokio::time::timeout(Duration::from_secs(20), call).await.expect("nobody drives the connection")
}

/// What keeps the thread of one runtime holds up no connection of another.
#[test]
fn a_runtime_calls_over_connections_of_its_own() {
    let clients = Arc::new(Clients::new(|builder| builder).unwrap());
    let (network, lanes, server) = (runtime(), runtime(), Builder::new_multi_thread().enable_all().build().unwrap());
    let url = server.block_on(echo_of_ports());
    let first = network.block_on(port_of_call(&clients, &url));
    assert_eq!(network.block_on(port_of_call(&clients, &url)), first, "a connection is used again");
    // The first runtime stands still now, as if a guest had it.
    let second = lanes.block_on(port_of_call(&clients, &url));
    assert_ne!(second, first);
    assert_eq!(network.block_on(port_of_call(&clients, &url)), first);
    assert_eq!(lanes.block_on(port_of_call(&clients, &url)), second);
}

#[test]
fn outside_of_a_runtime_there_is_one_all_the_same() {
    let clients = Clients::new(|builder| builder).unwrap();
    drop(clients.here());
    assert!(clients.by_runtime.read().is_empty());
}
