//! A hub and a node, each a process, and a client of the API: over TLS, or without.

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use bytes::Bytes;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::TaskInfo;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::ACCEPT;
use hyper::header::AUTHORIZATION;
use hyper::header::CONTENT_TYPE;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;

use crate::process::Program;
use crate::process::output_of;
use crate::process::until;
use crate::process::with_many_files;

const NODE: &str = "bench";
const NAME: &str = "localhost";

/// The programs under measurement.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    cli: PathBuf,
    node: PathBuf,
}

/// A hub with one node.
pub(crate) struct Hub {
    address: SocketAddr,
    token: String,
    tls: Option<TlsConnector>,
    process: Program,
    _node: Program,
}

/// What a hub says when it is ready; it says more, which is of no use here.
#[derive(Deserialize)]
struct Ready {
    http: String,
}

impl Programs {
    /// Builds the programs as a release, or takes them as they are from a directory.
    pub(crate) async fn find(dir: Option<&Path>) -> Result<Self> {
        let dir = match dir {
            // They are started in other directories.
            Some(dir) => dir.canonicalize().with_context(|| format!("{}", dir.display()))?,
            None => build().await?,
        };
        let programs = Self { cli: dir.join("cortex-cli"), node: dir.join("cortex-node") };
        for program in [&programs.cli, &programs.node] {
            ensure!(program.is_file(), "{} is not there", program.display());
        }
        Ok(programs)
    }
}

impl Hub {
    /// Starts hub and node with their data below `dir`, which is made.
    pub(crate) async fn start(programs: &Programs, dir: &Path, is_tls: bool) -> Result<Self> {
        std::fs::create_dir(dir)?;
        let authority = dir.join("authority.pem");
        let mut command = with_many_files(&programs.cli);
        command.args(["hub", "serve", "-o", "json", "--data-dir", "hub"]).current_dir(dir);
        command.args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
        let tls = match is_tls {
            true => {
                let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
                std::fs::write(&authority, made.cert.pem())?;
                std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem())?;
                command.arg("--tls-cert").arg(&authority).args(["--tls-key", "key.pem"]);
                Some(connector(made.cert.der().clone())?)
            }
            false => None,
        };
        let mut process = Program::start("hub", &mut command, dir)?;
        let line = process.first_line().await?;
        let ready: Ready = serde_json::from_str(&line)
            .with_context(|| format!("the hub's first line is not what is expected: {line}"))?;
        let address = ready.http.rsplit('/').next().unwrap_or_default();
        let address: SocketAddr = address.parse().with_context(|| line.clone())?;
        let token = dir.join("hub/admin.token");
        let scheme = if is_tls { "https" } else { "http" };
        let url = format!("{scheme}://{NAME}:{}", address.port());
        let cli = || {
            let mut command = Command::new(&programs.cli);
            command.env("CORTEX_HUB", &url).env("CORTEX_TOKEN_FILE", &token);
            command.env("XDG_CONFIG_HOME", dir).env_remove("CORTEX_TOKEN").current_dir(dir);
            if is_tls {
                command.env("CORTEX_CA", &authority);
            }
            command
        };
        let invite = ["invite", "create", "--name", NODE, "--out", "node.yaml"];
        output_of("cortex-cli invite create", cli().args(invite)).await?;
        let mut node = Command::new(&programs.node);
        node.args(["run", "--config", "node.yaml", "--data-dir", "node"]).current_dir(dir);
        let node = Program::start("node", &mut node, dir)?;
        until("the node's first connection", || {
            let mut list = cli();
            list.args(["node", "list", "--status", "online", "-o", "name"]);
            async move {
                let online = output_of("cortex-cli node list", &mut list).await?;
                Ok(online.starts_with(NODE.as_bytes()).then_some(()))
            }
        })
        .await?;
        let token = std::fs::read_to_string(token)?.trim().to_owned();
        Ok(Self { address, token, tls, process, _node: node })
    }

    /// Starts a program on the node; the task's id.
    pub(crate) async fn dispatch(&self, argv: &[&str]) -> Result<String> {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let node = Some(NODE.to_owned());
        let body = DispatchRequest { argv, node, ..DispatchRequest::default() };
        let path = "/api/sessions/default/dispatch";
        let body = serde_json::to_vec(&body)?.into();
        let answer = self.ask(Method::POST, path, "application/json", body).await?;
        let answer = answer.into_body().collect().await?.to_bytes();
        let task: TaskInfo = serde_json::from_slice(&answer)?;
        Ok(task.id)
    }

    /// Opens a stream of bytes or events on a connection of its own.
    pub(crate) async fn open(&self, path: &str, accept: &str) -> Result<Incoming> {
        let answer = self.ask(Method::GET, path, accept, Bytes::new()).await?;
        Ok(answer.into_body())
    }

    /// Processor time that the hub took so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid()?))?;
        // The name in parentheses may have spaces; user and system time are fields 14 and 15.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        // Linux counts in hundredths of a second for programs, whatever it does itself.
        Ok(ticks / 100.0)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let tcp = TcpStream::connect(self.address).await.context("cannot connect to the hub")?;
        tcp.set_nodelay(true)?;
        let mut sender = match &self.tls {
            Some(tls) => {
                let stream = tls.connect(ServerName::try_from(NAME)?, tcp).await?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                // It ends with its body; whoever reads that is told of failures.
                drop(tokio::spawn(connection));
                sender
            }
            None => {
                let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
                drop(tokio::spawn(connection));
                sender
            }
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, NAME)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = sender.send_request(request).await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(answer)
    }
}

fn connector(certificate: CertificateDer<'static>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Builds, and returns the directory with what was built.
async fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--bins", "--bench", "output"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo says is for whoever waits for it.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().await;
    let status = status.context("cannot start cargo")?;
    ensure!(status.success(), "cargo build failed ({status})");
    // This program is <target>/release/deps/<name>.
    let own = std::env::current_exe()?;
    let dir = own.ancestors().nth(2).context("the benchmark is not where cargo builds")?;
    Ok(dir.to_owned())
}
