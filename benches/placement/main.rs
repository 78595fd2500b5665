//! Planning a long queue onto many nodes, with requirements: a pure function on one thread.
//!
//! `docs/benchmarks.md` has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]

mod fleet;
mod random;

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::placement::Plan;
use cortex_core::placement::Seats;
use cortex_core::placement::Shares;
use cortex_core::placement::Waiting;
use cortex_core::placement::plan;
use cortex_core::task::Target;

use crate::fleet::Machine;
use crate::random::Random;

const USAGE: &str = "\
usage: cargo bench --bench placement [-- OPTION…]

  --tasks N   this many waiting tasks instead of 100000
  --nodes N   this many nodes instead of 10000
  --runs N    the median of this many runs instead of 5
  --check     fail if a plan with up to 1000 different requirements takes more than a second
";

/// How many different requirements the tasks have, by line of the table.
const DIFFERENT: [usize; 4] = [1, 100, 1_000, 10_000];

/// Users who share the nodes.
const USERS: u64 = 500;

/// What a plan may take, and with how many different requirements.
const LIMIT: (Duration, usize) = (Duration::from_secs(1), 1_000);

#[derive(Debug)]
struct Options {
    tasks: usize,
    nodes: usize,
    runs: usize,
    check: bool,
}

fn main() -> Result<()> {
    let mut options = Options { tasks: 100_000, nodes: 10_000, runs: 5, check: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--tasks" => options.tasks = value()?.parse()?,
            "--nodes" => options.nodes = value()?.parse()?,
            "--runs" => options.runs = value()?.parse::<usize>()?.max(1),
            "--check" => options.check = true,
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            // Cargo's own.
            "--bench" => {}
            _ => bail!("unknown argument {arg:?}\n\n{USAGE}"),
        }
    }
    measure(&options)
}

fn measure(options: &Options) -> Result<()> {
    let mut random = Random::new(1);
    let machines: Vec<_> = (0..options.nodes).map(|_| Machine::any(&mut random)).collect();
    let seats: Vec<_> = machines.iter().map(Machine::seats).collect();
    let slots: u64 = seats.iter().map(|seats| u64::from(seats.free)).sum();
    println!(
        "\n{} tasks of {USERS} users, {} nodes with {slots} free slots; one thread, median of {}",
        options.tasks, options.nodes, options.runs
    );
    println!("different requirements     placed      time, ms   ns a task");
    let mut missed = false;
    for different in DIFFERENT {
        let targets: Vec<_> = (0..different).map(|_| fleet::any_target(&mut random)).collect();
        let queue = queue(options.tasks, &targets, &mut random);
        let (planned, took) = median(&queue, &seats, options.runs)?;
        let nanos = took.as_nanos() / (options.tasks as u128).max(1);
        let millis = took.as_secs_f64() * 1_000.0;
        println!("{different:>22} {:>10} {millis:>13.1} {nanos:>11}", planned.placed.len());
        missed |= different <= LIMIT.1 && took > LIMIT.0;
    }
    let verdict = if missed { "NO" } else { "yes" };
    println!("≤ {} ms with up to {} different: {verdict}", LIMIT.0.as_millis(), LIMIT.1);
    ensure!(!(options.check && missed), "a plan took too long");
    Ok(())
}

fn queue<'a>(tasks: usize, targets: &'a [Target], random: &mut Random) -> Vec<Waiting<'a>> {
    let any = |_| Waiting {
        task: TaskId::from_bytes(random.bytes()),
        user: UserId::from_bytes(u128::from(random.below(USERS)).to_be_bytes()),
        priority: *random.pick(&[0, 50, 100, 150]),
        target: random.pick(targets),
        skill: None,
        scope: None,
    };
    (0..tasks).map(any).collect()
}

fn median(queue: &[Waiting<'_>], seats: &[Seats<'_>], runs: usize) -> Result<(Plan, Duration)> {
    let first = plan(queue, seats, &Shares::default(), &BTreeMap::new());
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = Instant::now();
        let again = plan(queue, seats, &Shares::default(), &BTreeMap::new());
        times.push(start.elapsed());
        ensure!(again == first, "the same input gave another plan");
    }
    times.sort_unstable();
    Ok((first, times[runs / 2]))
}
