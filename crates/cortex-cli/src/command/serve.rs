//! `hub serve`: a hub in the foreground, with `--dev` everything for a first try.

mod dev;
mod listen;

use std::net::SocketAddr;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_hub_lib::Hub;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::HubConfig;
use cortex_hub_lib::config::Loaded;
use cortex_hub_lib::config::NodeTls;
use cortex_hub_lib::config::Origin;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::hub as args;
use crate::args::hub::ServeArgs;
use crate::command::config::load_hub;
use crate::command::serve::dev::LocalNode;
use crate::command::serve::listen::bind;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::logging;
use crate::output;
use crate::output::style::Tone;
use crate::program;
use crate::program::Program;
use crate::stop::Stop;

const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const GRPC: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50051);

/// How long a hub may take to end; its own bound is shorter.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Where a hub listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    http: SocketAddr,
    grpc: SocketAddr,
}

/// Runs a hub until it is told to stop.
///
/// # Errors
/// The configuration is wrong; an address is taken; the data directory cannot be used; a listener
/// failed.
pub(crate) fn run(program: &Program, args: &ServeArgs) -> Result<Exit> {
    logging::for_server(&program.globals);
    let loaded = load_hub(args.config.as_deref())?;
    let runtime = program::large_runtime()?;
    let result = runtime.block_on(Box::pin(serve(program, args, loaded)));
    // What still hangs there has had its time.
    runtime.shutdown_background();
    result
}

async fn serve(program: &Program, args: &ServeArgs, loaded: Loaded) -> Result<Exit> {
    let mut stop = Stop::listen()?;
    // Before the data directory is touched: nothing is left behind by a port that is taken.
    let http = bind(args.http.unwrap_or(HTTP), "--http").await?;
    let grpc = bind(args.grpc.unwrap_or(GRPC), "--grpc").await?;
    let addresses = Addresses { http: address_of(&http)?, grpc: address_of(&grpc)? };
    let config = settle(program, loaded, args, addresses);
    let data_dir = config.data_dir.clone();
    let public_url = config.public_url.clone();
    let (hub, driver) = Box::pin(HubBuilder::new(config).build(&grpc)).await?;
    let first = hub.accounts().ensure_admin(&data_dir).await?;
    let shutdown = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(driver.run(grpc, Some(http), shutdown.clone()));
    let link = hub.accounts().sign_in_link(&public_url).await?;
    tell_ready(program, &hub, addresses, link.expose_secret())?;
    if let Some(path) = first {
        program.output.note(format_args!("first admin's token: {}", path.display()));
    }
    let local = match args.dev {
        true => dev::begin(program, &hub, addresses, &data_dir).await,
        false => None,
    };
    let early = tokio::select! {
        ended = running.join_next() => Some(ended),
        () = stop.asked() => None,
    };
    if let Some(ended) = early {
        return conclude(ended).map(|()| Exit::FAILED);
    }
    program.output.note("stopping; once more stops at once");
    let ending = end(local, shutdown, running);
    tokio::select! {
        ended = tokio::time::timeout(STOP_LIMIT, ending) => match ended {
            Ok(ended) => ended.map(|()| Exit::OK),
            Err(_) => Err(Failure::new(ErrorKind::Timeout, "the hub did not stop in time")),
        },
        () = stop.asked() => Err(Failure::interrupted("stopped at once")),
    }
}

/// Ends the local node first, so that the hub can still store its last words.
async fn end(
    local: Option<LocalNode>,
    shutdown: CancellationToken,
    mut running: JoinSet<cortex_core::Result<()>>,
) -> Result<()> {
    if let Some(local) = local {
        local.end().await;
    }
    shutdown.cancel();
    conclude(running.join_next().await)
}

fn conclude(ended: Option<Result<cortex_core::Result<()>, tokio::task::JoinError>>) -> Result<()> {
    match ended {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(panic)) => {
            Err(Failure::new(ErrorKind::Internal, format!("the hub failed: {panic}")))
        }
    }
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("a listener has no address: {error}"))
    })
}

/// The configuration with what the command line and the listeners say.
fn settle(program: &Program, loaded: Loaded, args: &ServeArgs, addresses: Addresses) -> HubConfig {
    let is_default =
        |key: &str| loaded.origins.get(key).is_none_or(|(_, origin)| *origin == Origin::Default);
    let (no_url, no_node_host) = (is_default("public_url"), is_default("node_host"));
    let mut config = loaded.config;
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    if let Some(strategy) = args.node_tls {
        config.tls.nodes = match strategy {
            args::NodeTls::Token => NodeTls::Token,
            args::NodeTls::Mutual => NodeTls::Mutual,
        };
    }
    if let Some((certificate, key)) = args.tls_cert.clone().zip(args.tls_key.clone()) {
        (config.tls.certificate, config.tls.key) = (Some(certificate), Some(key));
    }
    if no_url {
        config.public_url = url_of(&config, addresses);
    }
    let is_open = !addresses.grpc.ip().is_loopback();
    if no_node_host && is_open {
        if addresses.grpc.ip().is_unspecified() {
            program.output.warn(
                "invites will tell nodes to dial 127.0.0.1: set node_host in hub.yaml or \
                 CORTEX_HUB_NODE_HOST to what other machines call this one",
            );
        } else {
            config.node_host = addresses.grpc.ip().to_string();
        }
    }
    config
}

/// The URL with which this machine reaches the hub.
fn url_of(config: &HubConfig, addresses: Addresses) -> String {
    let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", reachable(addresses.http))
}

/// The address with which this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn tell_ready(program: &Program, hub: &Hub, addresses: Addresses, link: &str) -> Result<()> {
    let url = url_of(hub.config(), addresses);
    let output = &program.output;
    if output.is_json() {
        let line = json!({
            "http": url,
            "grpc": addresses.grpc.to_string(),
            "hub": hub.id().to_string(),
            "data_dir": hub.config().data_dir,
            "sign_in": link,
        });
        return output::write_stdout(format!("{line}\n").as_bytes());
    }
    let dot = output.stderr("●", Tone::Good);
    let config = hub.config();
    output.note(format_args!("{dot} {} is up", hub.id()));
    output.note(format_args!("  web and API  {url}"));
    output.note(format_args!("  nodes dial   {}:{}", config.node_host, config.node_port));
    output.note(format_args!("  data         {}", config.data_dir.display()));
    output.note(format_args!("  sign in      {link}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_the_loopback() {
        let reach = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reach("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reach("[::]:1"), "[::1]:1");
        assert_eq!(reach("10.0.0.7:1"), "10.0.0.7:1");
    }
}
