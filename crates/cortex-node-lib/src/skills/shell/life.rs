//! The life of a task's main process: awaited, ended with all of its group when the task is to stop.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::skill::Invocation;
use cortex_core::skill::StopReason;
use cortex_core::task;
use cortex_core::task::Outcome;
use rustix::process::Signal;
use tokio::time::Instant;

use super::REVOKED;
use super::SHUTDOWN_GRACE;
use super::broken;
use super::family::Census;
use super::family::Family;
use super::group;
use super::group::Process;

/// How long the system has to end what got KILL; what hangs in the kernel is not waited for.
const KILLED_WITHIN: Duration = Duration::from_millis(500);

/// How often a stopped group is looked at after its leader has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A task's main process, which leads its group.
pub(super) trait Leader: Send {
    /// What it and its group are sent when the task is to stop.
    const ASKS: &'static [Signal];

    /// Waits for its end; may be asked again.
    fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send;

    /// The group that somebody means who sends a signal to `leader`.
    fn meant(&self, leader: Option<i32>) -> Option<i32> {
        leader
    }
}

impl Leader for tokio::process::Child {
    const ASKS: &'static [Signal] = &[Signal::TERM];

    fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send {
        self.wait()
    }
}

/// How the main process came to its end.
#[derive(Debug)]
pub(super) enum End {
    Exited(ExitStatus),
    /// Somebody wanted it; so many processes ended.
    Stopped(StopReason, u32),
}

/// Ends a family when the skill's future is dropped before its time.
#[derive(Debug)]
pub(super) struct KillOnDrop {
    family: Option<Family>,
}

impl KillOnDrop {
    pub(super) fn of(family: Family) -> Self {
        Self { family: Some(family) }
    }

    /// The main process has ended: what it left behind stays.
    pub(super) fn leave(&mut self) {
        self.family = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(family) = self.family {
            family.end(&BTreeSet::new());
        }
    }
}

impl End {
    /// What the task comes to.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            End::Exited(status) => exited(status),
            End::Stopped(reason, processes) => stopped(reason, processes),
        }
    }
}

/// Waits for the main process, and ends its family when the task is to stop.
pub(super) async fn supervise<L: Leader>(
    invocation: &Invocation,
    child: &mut L,
    family: Family,
) -> Result<End> {
    let reason = loop {
        tokio::select! {
            biased;
            status = child.wait() => return Ok(End::Exited(status.map_err(cannot_wait)?)),
            reason = invocation.cancelled() => break reason,
            wanted = invocation.signal() => pass_on(child, family, wanted).await?,
        }
    };
    let mut members = look(family, BTreeSet::new()).await?;
    group::ask(family.leader, &members, L::ASKS);
    let grace = match reason {
        StopReason::Shutdown => invocation.grace.min(SHUTDOWN_GRACE),
        StopReason::Revoked => Duration::ZERO,
        _ => invocation.grace,
    };
    let deadline = Instant::now() + grace;
    let mut patience = pin!(tokio::time::sleep_until(deadline));
    let leader_ended = loop {
        tokio::select! {
            biased;
            _ = child.wait() => break true,
            () = &mut patience => break false,
            // Somebody does not want to wait for the end of the grace time.
            wanted = invocation.signal() => pass_on(child, family, wanted).await?,
        }
    };
    // The others of the group have the rest of the grace time.
    while leader_ended && Instant::now() < deadline && any_alive(&members) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    members.extend(look(family, members.clone()).await?);
    if !leader_ended || any_alive(&members) {
        members = aside(move || family.end(&members)).await?;
        child.wait().await.map_err(cannot_wait)?;
        let deadline = Instant::now() + KILLED_WITHIN;
        while Instant::now() < deadline && any_alive(&members) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    let ended = members.iter().filter(|member| !group::is_alive(**member)).count();
    Ok(End::Stopped(reason, u32::try_from(ended).unwrap_or(u32::MAX).max(1)))
}

/// Sends a signal of somebody's: KILL to all that belongs to the task, others to the group that is
/// meant and to what has left it.
async fn pass_on<L: Leader>(child: &L, family: Family, wanted: task::Signal) -> Result<()> {
    let Some(signal) = signal_of(wanted) else { return Ok(()) };
    let meant = child.meant(family.leader);
    if signal == Signal::KILL {
        aside(move || family.end(&BTreeSet::new())).await?;
        return Ok(());
    }
    let strayed = match meant == family.leader {
        true => look(family, BTreeSet::new()).await?,
        false => BTreeSet::new(),
    };
    group::ask(meant, &strayed, &[signal]);
    Ok(())
}

/// This system's signal of that name.
fn signal_of(wanted: task::Signal) -> Option<Signal> {
    Some(match wanted {
        task::Signal::Hup => Signal::HUP,
        task::Signal::Int => Signal::INT,
        task::Signal::Quit => Signal::QUIT,
        task::Signal::Kill => Signal::KILL,
        task::Signal::Usr1 => Signal::USR1,
        task::Signal::Usr2 => Signal::USR2,
        task::Signal::Term => Signal::TERM,
        task::Signal::Cont => Signal::CONT,
        task::Signal::Stop => Signal::STOP,
        task::Signal::Tstp => Signal::TSTP,
        // Of a later version.
        _ => return None,
    })
}

/// Looks who belongs to a family, beside those who are known.
async fn look(family: Family, known: BTreeSet<Process>) -> Result<BTreeSet<Process>> {
    aside(move || family.members(&Census::take(), &known)).await
}

/// Looks at processes where nobody waits behind it: there may be very many of them.
async fn aside<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|error| defect("the task's processes cannot be looked at").with_source(error))
}

fn any_alive(members: &BTreeSet<Process>) -> bool {
    members.iter().any(|member| group::is_alive(*member))
}

fn exited(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited { code },
        (None, Some(signal)) => Outcome::Signalled { signal },
        (None, None) => broken(format!("the program ended in an unknown way: {status}")),
    }
}

fn stopped(reason: StopReason, processes: u32) -> Outcome {
    match reason {
        StopReason::Timeout => Outcome::TimedOut { processes },
        StopReason::Shutdown => Outcome::Interrupted { reason: "node was shut down".to_owned() },
        StopReason::Revoked => Outcome::Interrupted { reason: REVOKED.to_owned() },
        _ => Outcome::Cancelled { processes },
    }
}

fn cannot_wait(error: io::Error) -> Error {
    defect("the program's end cannot be awaited").with_source(error)
}

pub(super) fn defect(message: &str) -> Error {
    Error::new(ErrorKind::Internal, "run program", message)
}
