//! A hub inside an existing axum service, below the path `/cortex`.
//!
//! ```text
//! cargo run --example embed_hub              # serves until Ctrl-C
//! cargo run --example embed_hub -- --once    # shows that both answer, then ends
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use cortex_hub_lib::HubBuilder;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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

/// Asks the service and the hub in it.
async fn show(address: SocketAddr) -> anyhow::Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    for path in ["/", "/cortex/healthz", "/cortex/api/openapi.json"] {
        let url = format!("http://{address}{path}");
        let status = client.get(url.parse()?).await?.status();
        println!("{url} {status}");
        anyhow::ensure!(status.is_success(), "{path} does not answer");
    }
    Ok(())
}
