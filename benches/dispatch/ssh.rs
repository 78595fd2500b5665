//! OpenSSH with ControlMaster: a server of our own on loopback, masters that hold connections, and
//! a new `ssh` process for each task, as people use it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Result;
use anyhow::ensure;
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::TryStreamExt as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::load::AnyLane;
use crate::load::Lane;
use crate::process::Program;
use crate::process::find_peer;
use crate::process::output_of;
use crate::process::until;
use crate::spawn::ECHO;
use crate::spawn::HI;

/// The programs of the peer.
pub(crate) const PROGRAMS: [&str; 3] = ["sshd", "ssh", "ssh-keygen"];

/// Where a server that runs as root changes its root to; made by the system's service otherwise.
const PRIVILEGE_SEPARATION_DIR: &str = "/run/sshd";

/// Masters that connect at the same time.
const CONNECT_AT_ONCE: usize = 8;

/// A server and masters.
#[derive(Debug)]
pub(crate) struct Ssh {
    ssh: PathBuf,
    config: PathBuf,
    // Dropped in this order: connections first, then the server, then keys and sockets.
    _masters: Vec<Program>,
    _server: Program,
    /// Not in the benchmark's own directory, because the path of a socket must be short.
    _dir: TempDir,
}

#[derive(Debug)]
struct Session {
    ssh: PathBuf,
    config: PathBuf,
    host: String,
}

impl Ssh {
    /// Starts a server and connects `masters` times.
    pub(crate) async fn start(masters: usize) -> Result<Self> {
        let [sshd, ssh, keygen] = PROGRAMS.map(find_peer);
        let (sshd, ssh, keygen) = (sshd?, ssh?, keygen?);
        let folder = tempfile::Builder::new().prefix("ssh").tempdir()?;
        let dir = folder.path();
        for key in ["host_key", "user_key"] {
            let mut command = Command::new(&keygen);
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(key));
            output_of("ssh-keygen", &mut command).await?;
        }
        std::fs::copy(dir.join("user_key.pub"), dir.join("authorized_keys"))?;
        let (server, port) = start_server(&sshd, dir).await?;
        let config = write_client_config(dir, port)?;
        let held = futures::stream::iter(0..masters)
            .map(|number| hold(&ssh, &config, dir, number))
            .buffered(CONNECT_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Self { ssh, config, _masters: held, _server: server, _dir: folder })
    }

    /// A client with a connection and a terminal of its own, that runs `line` there.
    pub(crate) fn terminal(&self, line: &str) -> std::process::Command {
        let mut command = std::process::Command::new(&self.ssh);
        command.arg("-F").arg(&self.config).args(["-o", "ControlPath=none", "-tt"]);
        command.arg(host(0)).arg(line);
        command
    }

    /// A program at the other end of a connection of its own, with its output in a pipe.
    pub(crate) fn direct(&self, argv: &[&str]) -> Command {
        let mut command = Command::new(&self.ssh);
        command.arg("-F").arg(&self.config).args(["-S", "none", &host(0)]).args(argv);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// A client whose tasks go through the given master.
    pub(crate) fn lane(&self, master: usize) -> AnyLane {
        let (ssh, config) = (self.ssh.clone(), self.config.clone());
        Box::new(Session { ssh, config, host: host(master) })
    }
}

#[async_trait]
impl Lane for Session {
    async fn run(&mut self) -> Result<()> {
        let mut command = Command::new(&self.ssh);
        command.arg("-F").arg(&self.config).arg(&self.host).args(ECHO);
        let output = output_of("ssh", &mut command).await?;
        ensure!(output == HI, "ssh put out {output:?}");
        Ok(())
    }
}

fn host(master: usize) -> String {
    format!("n{master}")
}

/// Starts sshd on a port that was free a moment ago; it cannot choose one itself.
async fn start_server(sshd: &Path, dir: &Path) -> Result<(Program, u16)> {
    if std::env::var_os("USER").is_none_or(|user| user == "root") {
        // A server that does not run as root does not need it, and could not make it.
        drop(std::fs::create_dir_all(PRIVILEGE_SEPARATION_DIR));
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let path = dir.display();
    // What the user's shell reads at its start would be measured too: it gets another home.
    let config = format!(
        "SetEnv HOME={path}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {path}/host_key\n\
         AuthorizedKeysFile {path}/authorized_keys\nStrictModes no\nPidFile none\nUsePAM no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\n\
         PermitRootLogin prohibit-password\nUseDNS no\nX11Forwarding no\nPrintMotd no\n\
         MaxStartups 256\nMaxSessions 256\nLogLevel ERROR\n"
    );
    let file = dir.join("sshd_config");
    std::fs::write(&file, config)?;
    let mut command = Command::new(sshd);
    command.args(["-D", "-e", "-f"]).arg(file);
    let mut server = Program::start("sshd", &mut command, dir)?;
    until("sshd", || {
        let ended = server.has_ended().then(|| server.failure("ended"));
        async move {
            match ended {
                Some(failure) => Err(failure),
                None => Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok().map(drop)),
            }
        }
    })
    .await?;
    Ok((server, port))
}

fn write_client_config(dir: &Path, port: u16) -> Result<PathBuf> {
    let host_key = std::fs::read_to_string(dir.join("host_key.pub"))?;
    std::fs::write(dir.join("known_hosts"), format!("[127.0.0.1]:{port} {host_key}"))?;
    let (path, mut config) = (dir.display(), String::new());
    writeln!(config, "Host *\n  HostName 127.0.0.1\n  Port {port}")?;
    writeln!(config, "  IdentityFile {path}/user_key\n  IdentitiesOnly yes\n  BatchMode yes")?;
    writeln!(config, "  UserKnownHostsFile {path}/known_hosts\n  StrictHostKeyChecking yes")?;
    writeln!(config, "  ControlPath {path}/%n\n  ControlMaster no\n  LogLevel ERROR")?;
    let file = dir.join("ssh_config");
    std::fs::write(&file, config)?;
    Ok(file)
}

/// Starts a master and waits until it is connected.
async fn hold(ssh: &Path, config: &Path, dir: &Path, number: usize) -> Result<Program> {
    let host = host(number);
    let mut command = Command::new(ssh);
    command.arg("-F").arg(config).args(["-M", "-N", "-o", "ControlMaster=yes", &host]);
    let mut master = Program::start(&format!("ssh-{host}"), &mut command, dir)?;
    until("a master of ssh", || {
        let ended = master.has_ended().then(|| master.failure("ended"));
        let mut check = Command::new(ssh);
        check.arg("-F").arg(config).args(["-O", "check", &host]);
        async move {
            match ended {
                Some(failure) => Err(failure),
                None => Ok(output_of("ssh -O check", &mut check).await.ok()),
            }
        }
    })
    .await?;
    Ok(master)
}
