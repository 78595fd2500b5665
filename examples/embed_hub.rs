//! A hub inside an existing axum service, below the path `/cortex`, for the service's own users.
//!
//! ```text
//! cargo run --example embed_hub              # serves until Ctrl-C
//! cargo run --example embed_hub -- --once    # shows that both answer, and to whom, then ends
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Router;
use axum::http::Request;
use axum::http::header::COOKIE;
use axum::routing::get;
use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::accounts::Authenticator;
use cortex_hub_lib::accounts::Credentials;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The service's own users, who are known by a cookie of its own.
#[derive(Debug)]
struct OwnUsers;

#[async_trait]
impl Authenticator for OwnUsers {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Principal> {
        let cookie = credentials.headers.get(COOKIE).map(|cookie| cookie.as_bytes());
        // Yours looks the session up, and has an id for each user that stays the same.
        let (user, role) = match cookie {
            Some(b"session=grace") => (UserId::from_bytes([1; 16]), Role::Admin),
            Some(b"session=ada") => (UserId::from_bytes([2; 16]), Role::Member),
            _ => {
                let message = "nobody is signed in";
                return Err(Error::new(ErrorKind::Unauthenticated, "read session", message));
            }
        };
        Ok(Principal::full(user, role))
    }
}

/// The service as it was before there was a hub in it.
fn own_service() -> Router {
    Router::new().route("/", get(async || "the service's own page\n"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let once = std::env::args().any(|arg| arg == "--once");
    let data = tempfile::tempdir()?; // Yours is a directory that stays.
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let nodes = TcpListener::bind("127.0.0.1:0").await?;
    let address = http.local_addr()?;

    let (hub, driver) = HubBuilder::default()
        .data_dir(data.path())
        .public_url(format!("http://{address}/cortex"))
        .authenticator(Arc::new(OwnUsers))
        .build(&nodes)
        .await?;
    let routes = own_service().nest_service("/cortex", cortex_hub_lib::router(&hub));
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    // The hub's streams end with the hub: only then can the service finish its requests.
    let ending = hub.shutdown_token().cancelled_owned();

    let shutdown = CancellationToken::new();
    tokio::try_join!(
        async { driver.run(nodes, None, shutdown.clone()).await.context("hub") },
        async {
            axum::serve(http, service).with_graceful_shutdown(ending).await.context("service")
        },
        async {
            show(address).await?;
            if !once {
                tokio::signal::ctrl_c().await?;
            }
            shutdown.cancel();
            Ok(())
        },
    )?;
    Ok(())
}

/// Asks the service and the hub in it, as nobody and as two of the service's users.
async fn show(address: SocketAddr) -> anyhow::Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    for (path, cookie, expected) in [
        ("/", "", 200),
        ("/cortex/healthz", "", 200),
        ("/cortex/api/openapi.json", "", 200),
        ("/cortex/api/nodes", "", 401),
        ("/cortex/api/nodes", "session=ada", 200),
        ("/cortex/api/users", "session=ada", 403),
        ("/cortex/api/users", "session=grace", 200),
    ] {
        let url = format!("http://{address}{path}");
        let request = Request::get(&url).header(COOKIE, cookie).body(Empty::new())?;
        let status = client.request(request).await?.status();
        println!("{url} {cookie} {status}");
        anyhow::ensure!(status == expected, "{path} does not answer {expected}");
    }
    Ok(())
}
