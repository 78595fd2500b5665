//! `hub …`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use crate::args::HELP;

/// `hub …`.
#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Run a hub in the foreground.
    Serve(ServeArgs),
    /// Print whether the hub answers, and what it is.
    Status,
}

/// `hub serve`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli hub serve --dev
  cortex-cli hub serve --data-dir /var/lib/cortex --http 0.0.0.0:8080 --grpc 0.0.0.0:50051
"
)]
pub(crate) struct ServeArgs {
    /// Everything for a first try: data in ./cortex-data, one local node, a context for you.
    #[arg(long)]
    pub(crate) dev: bool,
    /// Directory for the hub's database, keys and first admin token.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the web pages and the REST API; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Address that nodes dial; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) grpc: Option<SocketAddr>,
    /// What nodes show beside their tokens: nothing more, or a certificate of the hub's authority.
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(crate) node_tls: Option<NodeTls>,
    /// Certificate chain for the public name, PEM: HTTP is then served over TLS. Read again when
    /// it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Configuration file (hub.yaml); flags come before it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What nodes show beside their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeTls {
    /// Nothing more: the token is bound to the node's identity key.
    Token,
    /// A client certificate of the hub's authority.
    Mutual,
}
