//! A client of the hub's REST API: one kept-alive HTTP/1.1 connection a lane.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use async_trait::async_trait;
use bytes::Bytes;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::InviteCreated;
use cortex_proto::json::InviteRequest;
use cortex_proto::json::SessionInfo;
use cortex_proto::json::SessionRequest;
use cortex_proto::json::TaskInfo;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::Method;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper::header::AUTHORIZATION;
use hyper::header::CONTENT_TYPE;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::AnyLane;
use crate::load::Lane;

/// Where a hub is, and a token for it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    token: String,
}

/// One connection. Its task ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    api: Api,
    sender: SendRequest<Full<Bytes>>,
    _task: JoinSet<()>,
}

/// Sends one task over and over, and waits for each one's end.
#[derive(Debug)]
struct Dispatch {
    connection: Connection,
    path: String,
    body: Bytes,
    stdout: Option<&'static str>,
}

impl Api {
    /// Takes the address from what `hub serve` prints, and the token from a file.
    pub(crate) fn new(address: &str, token_file: &Path) -> Result<Self> {
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        let address = address.parse().with_context(|| format!("{address:?} is no address"))?;
        let token = std::fs::read_to_string(token_file)?.trim().to_owned();
        Ok(Self { address, token })
    }

    /// The hub's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the hub listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address).await.context("cannot connect to the hub")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Whoever waits for an answer is told of the failure.
            drop(connection.await);
        });
        Ok(Connection { api: self.clone(), sender, _task: task })
    }

    /// A client that sends `request` to a session; `stdout` is what the task puts out.
    pub(crate) async fn lane(
        &self,
        session: &str,
        request: &DispatchRequest,
        stdout: Option<&'static str>,
    ) -> Result<AnyLane> {
        let path = format!("/api/sessions/{session}/dispatch?wait=30");
        let body = serde_json::to_vec(request)?.into();
        let connection = self.connect().await?;
        Ok(Box::new(Dispatch { connection, path, body, stdout }))
    }
}

impl Connection {
    /// Makes an invite and returns the configuration of its node.
    pub(crate) async fn invite(&mut self, name: String) -> Result<String> {
        let request = InviteRequest { name, ..InviteRequest::default() };
        let created: InviteCreated = self.post("/api/nodes/invite", &request).await?;
        Ok(created.config)
    }

    /// Makes a session with these nodes and returns its id.
    pub(crate) async fn session(&mut self, nodes: Vec<String>) -> Result<String> {
        let request = SessionRequest { nodes, ..SessionRequest::default() };
        let session: SessionInfo = self.post("/api/sessions", &request).await?;
        Ok(session.id)
    }

    /// Sends a task to a session and returns its id, without waiting for its end.
    pub(crate) async fn submit(
        &mut self,
        session: &str,
        request: &DispatchRequest,
    ) -> Result<String> {
        let task: TaskInfo =
            self.post(&format!("/api/sessions/{session}/dispatch"), request).await?;
        Ok(task.id)
    }

    /// The value of one of the hub's metrics.
    pub(crate) async fn metric(&mut self, name: &str) -> Result<f64> {
        let text = self.ask(Method::GET, "/metrics", Bytes::new()).await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.with_context(|| format!("the hub has no {name}"))?.trim().parse().context("a number")
    }

    async fn post<A: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<A> {
        let answer = self.send(path, serde_json::to_vec(body)?.into()).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn send(&mut self, path: &str, body: Bytes) -> Result<Bytes> {
        self.ask(Method::POST, path, body).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        // The hub lets go of connections that are idle for half a minute, as long as other parties
        // have their turn.
        if self.sender.ready().await.is_err() {
            *self = self.api.clone().connect().await?;
        }
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.api.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.api.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = self.sender.send_request(request).await.context("the hub hung up")?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}

#[async_trait]
impl Lane for Dispatch {
    async fn run(&mut self) -> Result<()> {
        let answer = self.connection.send(&self.path, self.body.clone()).await?;
        let task: TaskInfo = serde_json::from_slice(&answer)?;
        ensure!(task.state == "succeeded", "the task {}: {:?}", task.state, task.summary);
        if let Some(wanted) = self.stdout {
            let stdout = task.stdout.map(|text| text.data).unwrap_or_default();
            ensure!(stdout == wanted, "the task put out {stdout:?}");
        }
        Ok(())
    }
}
