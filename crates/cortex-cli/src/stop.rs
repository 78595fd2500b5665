//! SIGINT and SIGTERM, for programs that stop in order.

use cortex_core::ErrorKind;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::exit::Failure;
use crate::exit::Result;

/// Waits for the signals that ask a program to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Takes the two signals over from the system.
    ///
    /// # Errors
    /// The system does not let it.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(ErrorKind::Internal, format!("cannot catch signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Returns when the program is asked to stop; once for each time.
    ///
    /// # Cancel safety
    /// No signal is lost if the future is dropped.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
