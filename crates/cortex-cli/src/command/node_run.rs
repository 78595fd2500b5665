//! `node run`, and `run` of `cortex-node`: a node in the foreground. And what is done to a node that
//! does not run.

use std::path::Path;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_node_lib::Driver;
use cortex_node_lib::Node;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::Status;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::node::RotateArgs;
use crate::args::node::RunArgs;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::logging;
use crate::output::style::Tone;
use crate::program;
use crate::program::Program;
use crate::stop::Stop;

/// What a node needs beside its drain time to end in order.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What to do where nobody knows whether the hub has replaced the key.
const UNSETTLED: &str =
    "run it again, or start the node: either brings the change to its end when the hub is there";

/// Runs a node until it is told to stop.
///
/// # Errors
/// The configuration is wrong; the data directory cannot be used; the hub refuses the node.
pub(crate) fn run(program: &Program, args: &RunArgs) -> Result<Exit> {
    logging::for_server(&program.globals);
    let config = load(program, &args.config, args.data_dir.as_deref())?;
    let limit = config.drain + LAST_WORDS;
    let (node, driver) = NodeBuilder::new(config).version(env!("CARGO_PKG_VERSION")).build()?;
    let runtime = program::large_runtime()?;
    let result = runtime.block_on(Box::pin(attend(program, node, driver, limit)));
    // What still hangs there has had its time.
    runtime.shutdown_background();
    result
}

/// Replaces the identity key of a node that does not run.
///
/// # Errors
/// The node runs, or is not enrolled; the hub cannot be reached, or declines.
pub(crate) fn rotate(program: &Program, args: &RotateArgs) -> Result<Exit> {
    if program.globals.verbose > 0 {
        logging::for_client(&program.globals);
    }
    let config = load(program, &args.config, args.data_dir.as_deref())?;
    let (node, mut driver) = NodeBuilder::new(config).version(env!("CARGO_PKG_VERSION")).build()?;
    let rotated = program::small_runtime()?.block_on(Box::pin(driver.rotate_identity()));
    let key = rotated.map_err(|error| match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout => Failure::from(error).or_hint(UNSETTLED),
        _ => error.into(),
    })?;
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = node.id().map(|id| id.to_string()).unwrap_or_default();
    if program.output.is_json() {
        let line = json!({ "node": id, "identity_key": key });
        crate::output::write_stdout(format!("{line}\n").as_bytes())?;
    } else {
        let name = node.name().unwrap_or_default();
        program.output.note(format_args!("{name} ({id}) has a new identity key: {key}"));
    }
    Ok(Exit::OK)
}

fn load(program: &Program, file: &Path, data_dir: Option<&Path>) -> Result<NodeConfig> {
    let loaded = NodeConfig::load(file, &Environment::of_process())?;
    for warning in &loaded.warnings {
        program.output.warn(warning);
    }
    let mut config = loaded.config;
    if let Some(dir) = data_dir {
        config.data_dir =
            std::path::absolute(dir).map_err(|error| Failure::file("use", dir, &error))?;
    }
    Ok(config)
}

async fn attend(program: &Program, node: Node, driver: Driver, limit: Duration) -> Result<Exit> {
    let mut stop = Stop::listen()?;
    let shutdown = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(driver.run(shutdown.clone()));
    let mut news = News::default();
    let mut status = node.status();
    loop {
        let now = status.borrow_and_update().clone();
        news.tell(program, &node, &now)?;
        tokio::select! {
            ended = running.join_next() => return conclude(ended),
            () = stop.asked() => break,
            // Once the driver is gone, the branch above tells why.
            Ok(()) = status.changed() => {}
        }
    }
    program.output.note("stopping; once more stops at once");
    shutdown.cancel();
    tokio::select! {
        ended = running.join_next() => conclude(ended),
        () = stop.asked() => Err(Failure::interrupted("stopped at once; running tasks were killed")),
        () = tokio::time::sleep(limit) => Err(Failure::new(
            ErrorKind::Timeout,
            "the node did not stop in time; running tasks were killed",
        )),
    }
}

fn conclude(
    ended: Option<Result<cortex_core::Result<()>, tokio::task::JoinError>>,
) -> Result<Exit> {
    match ended {
        None | Some(Ok(Ok(()))) => Ok(Exit::OK),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(panic)) => {
            Err(Failure::new(ErrorKind::Internal, format!("the node failed: {panic}")))
        }
    }
}

/// Tells the user how the node stands; each thing once.
#[derive(Debug, Default)]
struct News {
    was_online: bool,
    is_online: bool,
    last_reason: Option<String>,
}

impl News {
    fn tell(&mut self, program: &Program, node: &Node, status: &Status) -> Result<()> {
        match status {
            Status::Online { epoch } => {
                let name = node.name().unwrap_or_default();
                let id = node.id().map(|id| id.to_string()).unwrap_or_default();
                if program.output.is_json() {
                    if !std::mem::replace(&mut self.was_online, true) {
                        let line = json!({ "node": id, "name": name, "epoch": epoch });
                        crate::output::write_stdout(format!("{line}\n").as_bytes())?;
                    }
                } else if !self.is_online {
                    let dot = program.output.stderr("●", Tone::Good);
                    program.output.note(format_args!("{dot} {name} is online ({id})"));
                }
                self.is_online = true;
                self.last_reason = None;
            }
            Status::Waiting { reason, .. } => {
                self.is_online = false;
                // The same reason every few seconds would only hide what else is said.
                if self.last_reason.as_ref() != Some(reason) && !program.output.is_json() {
                    let dot = program.output.stderr("■", Tone::Warn);
                    program
                        .output
                        .note(format_args!("{dot} not connected, trying again: {reason}"));
                    self.last_reason = Some(reason.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }
}
