//! Durable, signed no-op tasks through the work pool: how many a second, and how long a claim takes.
//!
//! Hub and nodes are libraries in this process, over real TLS and gRPC on loopback, on a real disk;
//! the client is in it, too. `docs/benchmarks.md` has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]

mod claims;
mod mesh;
#[path = "../dispatch/nothing.rs"]
mod nothing;

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::claims::Claims;
use crate::mesh::Mesh;

const USAGE: &str = "\
usage: cargo bench --bench pool [-- OPTION…]

  --quick          one short round: for a look, not for figures
  --only NAME      one of direct, pool-1, pool-50
  --seconds N      how long each is measured, in place of 5
  --check          fail if a target is missed
";

/// Tasks under way at once.
const IN_FLIGHT: usize = 64;

/// No task takes this long.
const LIMIT: Duration = Duration::from_secs(60);

/// Tasks a second.
const RATE: f64 = 10_000.0;

/// What one claim in a hundred may exceed, in seconds.
const TAIL: f64 = 0.020;

/// What is measured.
struct Case {
    name: &'static str,
    nodes: usize,
    /// Each task names a node; else it is offered to all.
    is_named: bool,
}

const CASES: [Case; 3] = [
    Case { name: "direct", nodes: 1, is_named: true },
    Case { name: "pool-1", nodes: 1, is_named: false },
    Case { name: "pool-50", nodes: 50, is_named: false },
];

struct Options {
    span: Duration,
    rounds: usize,
    only: Option<String>,
    check: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Fails only where one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let Some(options) = options(std::env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(());
    };
    tokio::select! {
        measured = measure(&options) => measured,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let span = Duration::from_secs(5);
    let mut options = Options { span, rounds: 3, only: None, check: false };
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--quick" => (options.span, options.rounds) = (Duration::from_secs(1), 1),
            "--only" => options.only = Some(value()?),
            "--seconds" => options.span = Duration::from_secs(value()?.parse()?),
            "--check" => options.check = true,
            "-h" | "--help" => return Ok(None),
            // Cargo's own.
            "--bench" => {}
            _ => bail!("unknown argument {arg:?}\n\n{USAGE}"),
        }
    }
    Ok(Some(options))
}

async fn measure(options: &Options) -> Result<()> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    println!("{IN_FLIGHT} in flight    tasks/s      claim p50    claim p99");
    let mut missed = Vec::new();
    for case in CASES {
        if options.only.as_ref().is_some_and(|only| only != case.name) {
            continue;
        }
        let home = tempfile::Builder::new().prefix("pool").tempdir_in(parent)?;
        let mesh = Mesh::start(home.path(), case.nodes).await?;
        let mut best = 0.0_f64;
        let mut claims = Claims::default();
        // The first opens files and fills caches.
        run(&mesh, &case, options.span / 4).await?;
        for _ in 0..options.rounds {
            let before = Claims::read(&mesh.hub().metrics().encode())?;
            let rate = run(&mesh, &case, options.span).await?;
            if rate > best {
                best = rate;
                claims = Claims::read(&mesh.hub().metrics().encode())?.since(&before);
            }
        }
        let (middle, tail) = (claims.quantile(0.5), claims.quantile(0.99));
        println!("{:<12} {best:>9.0}    {:>9}    {:>9}", case.name, show(middle), show(tail));
        if best < RATE {
            missed.push(format!("{}: {best:.0} tasks/s, not {RATE:.0}", case.name));
        }
        if tail.is_some_and(|tail| tail > TAIL) {
            missed.push(format!("{}: one claim in a hundred takes more than {TAIL} s", case.name));
        }
        mesh.stop().await?;
    }
    println!("targets: ≥ {RATE:.0}/s; claim p99 ≤ {:.0} ms with 50 nodes", TAIL * 1e3);
    if options.check && !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

fn show(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("≤ {} ms", seconds * 1e3))
}

/// Keeps so many tasks under way for a while; returns how many ended a second.
async fn run(mesh: &Mesh, case: &Case, span: Duration) -> Result<f64> {
    let start = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..IN_FLIGHT {
        let mut client = mesh.client(case.is_named.then_some(lane % case.nodes));
        lanes.spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < span {
                tokio::time::timeout(LIMIT, client.run()).await.context("a task hangs")??;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0_u32;
    while let Some(done) = lanes.join_next().await {
        count += done.context("a lane broke")??;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
