//! The limit: a process started right here.

use anyhow::Result;
use anyhow::ensure;
use async_trait::async_trait;
use tokio::process::Command;

use crate::load::AnyLane;
use crate::load::Lane;
use crate::process::output_of;

/// The command that every party runs.
pub(crate) const ECHO: [&str; 2] = ["echo", "hi"];

/// What it puts out.
pub(crate) const HI: &[u8] = b"hi\n";

#[derive(Debug)]
struct Spawn;

/// A client that starts processes itself.
pub(crate) fn lane() -> AnyLane {
    Box::new(Spawn)
}

#[async_trait]
impl Lane for Spawn {
    async fn run(&mut self) -> Result<()> {
        let output = output_of("echo", Command::new(ECHO[0]).arg(ECHO[1])).await?;
        ensure!(output == HI, "echo put out {output:?}");
        Ok(())
    }
}
