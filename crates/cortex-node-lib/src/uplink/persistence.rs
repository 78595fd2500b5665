//! What is tried again and again before the node holds its connection: enrolling, replacing a key.

use std::time::Instant;

use cortex_core::Result;
use tokio::sync::watch;

use super::Status;
use super::jitter;
use super::pause;
use super::state::Action;
use super::state::Cause;
use super::state::Event;
use super::state::Reconnect;

/// Tries something until it succeeds.
#[derive(Debug)]
pub(crate) struct Persistence<'a> {
    /// How many attempts may fail in a row.
    pub(crate) limit: Option<u32>,
    /// The node enrols: another hub than the pinned one, or a refusal, is the end.
    pub(crate) is_enrolling: bool,
    /// Shows how the node stands to its hub.
    pub(crate) status: &'a watch::Sender<Status>,
    /// Whether the node is to leave.
    pub(crate) leave: watch::Receiver<Option<String>>,
}

impl Persistence<'_> {
    /// Tries until it succeeds, with the waits of a connection that was lost.
    ///
    /// # Errors
    /// The last error where the limit of attempts is reached, or trying again cannot help.
    /// `Ok(None)`: the node was asked to leave first.
    pub(crate) async fn run<T, F: Future<Output = Result<T>>>(
        mut self,
        attempt: impl Fn() -> F,
    ) -> Result<Option<T>> {
        let mut reconnect = Reconnect::new(self.limit);
        loop {
            self.status.send_replace(Status::Connecting);
            let error = tokio::select! {
                done = attempt() => match done {
                    Ok(done) => return Ok(Some(done)),
                    Err(error) => error,
                },
                _ = self.leave.wait_for(Option::is_some) => return Ok(None),
            };
            let cause = Cause::of(&error, self.is_enrolling);
            match reconnect.on(Event::Ended(cause), Instant::now(), jitter()) {
                Action::GiveUp => {
                    self.status.send_replace(Status::Stopped { reason: error.to_string() });
                    return Err(error);
                }
                Action::Wait(span) => {
                    tracing::warn!(%error, wait = ?span, "not yet, trying again");
                    if !pause(span, &error, self.status, &mut self.leave).await {
                        return Ok(None);
                    }
                }
                Action::Stay => {}
            }
        }
    }
}
