//! NATS request-reply: the real server, a process that answers, and a client.

mod requests;
mod responder;
mod wire;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use async_trait::async_trait;
use serde::Deserialize;
use tokio::process::Command;

use crate::load::AnyLane;
use crate::load::Lane;
use crate::process::Program;
use crate::process::find_peer;
use crate::process::until;
use crate::spawn::ECHO;
use crate::spawn::HI;

use requests::Requests;
pub(crate) use responder::respond;

/// The program of the peer.
pub(crate) const SERVER: &str = "nats-server";

/// A server with the process that answers, and a connection of ours.
#[derive(Debug)]
pub(crate) struct Nats {
    requests: Arc<Requests>,
    // Dropped in this order: who answers first, then the server.
    _responder: Program,
    _server: Program,
}

/// The file in which the server says where it listens.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

#[derive(Debug)]
struct Request {
    requests: Arc<Requests>,
    subject: String,
    payload: Vec<u8>,
    answer: &'static [u8],
}

impl Nats {
    /// Starts a server on a port of its choice, and a process with `subscribers` connections.
    pub(crate) async fn start(dir: &Path, subscribers: usize) -> Result<Self> {
        let program = find_peer(SERVER)?;
        let dir = dir.join(format!("nats-{subscribers}"));
        std::fs::create_dir(&dir)?;
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"]).arg(&dir);
        let mut server = Program::start(SERVER, &mut command, &dir)?;
        let ports = dir.join(format!("{SERVER}_{}.ports", server.pid()?));
        let address = until("the port of nats-server", || {
            let address = address_in(&ports);
            let ended = server.has_ended().then(|| server.failure("ended"));
            async move { ended.map_or(Ok(address), Err) }
        })
        .await?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", "nats-responder"]).arg(address.to_string());
        command.arg(subscribers.to_string());
        let mut responder = Program::start("nats-responder", &mut command, &dir)?;
        responder.first_line().await?;
        let requests = Arc::new(Requests::connect(address).await?);
        Ok(Self { requests, _responder: responder, _server: server })
    }

    /// A client whose tasks run at the given subscriber.
    pub(crate) fn lane(&self, subscriber: usize) -> AnyLane {
        let (subject, payload) = (format!("run.{subscriber}"), ECHO.join(" ").into_bytes());
        self.request(subject, payload, HI)
    }

    /// A client whose requests are answered without a process.
    pub(crate) fn idle_lane(&self) -> AnyLane {
        self.request("nothing.0".to_owned(), Vec::new(), b"")
    }

    fn request(&self, subject: String, payload: Vec<u8>, answer: &'static [u8]) -> AnyLane {
        Box::new(Request { requests: Arc::clone(&self.requests), subject, payload, answer })
    }
}

#[async_trait]
impl Lane for Request {
    async fn run(&mut self) -> Result<()> {
        let answer = self.requests.ask(&self.subject, &self.payload).await?;
        ensure!(answer == self.answer, "{} answered {answer:?}", self.subject);
        Ok(())
    }
}

/// The server's address, once its file is there as a whole.
fn address_in(ports: &Path) -> Option<SocketAddr> {
    let text = std::fs::read(ports).ok()?;
    let ports: Ports = serde_json::from_slice(&text).ok()?;
    let url = ports.nats.first().context("no address").ok()?;
    url.rsplit('/').next()?.parse().ok()
}
