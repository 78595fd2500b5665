//! The node's side of the wire: dials the hub, enrols, keeps the control stream open, delivers
//! reports until they are stored.
//!
//! Nothing in here decides what runs: signed messages are handed on as raw bytes, in order, as
//! [`Downlink`]s. Only this module sees wire types and gRPC.

mod beat;
mod calls;
mod connect;
mod credentials;
mod dial;
mod outbox;
mod payload;
mod persistence;
mod pin;
mod recovery;
mod rekey;
mod renewal;
mod session;
mod state;
mod token;
mod upstream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::bundle::Bundle;
use cortex_core::capability::Capabilities;
use cortex_core::id::BootId;
use cortex_core::id::HubId;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::node::Health;
use cortex_core::timestamp::Timestamp;
use cortex_proto::convert::Offers;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

pub(crate) use connect::MISMATCH;
pub(crate) use credentials::Certificate;
pub(crate) use credentials::Credentials;
pub(crate) use credentials::Current;
pub(crate) use credentials::Issued;
pub(crate) use credentials::Renewed;
pub(crate) use outbox::Admission;
pub(crate) use outbox::AttemptKey;
pub(crate) use outbox::Outbox;
pub(crate) use outbox::Transcript;
pub(crate) use payload::BUNDLE_TYPE;
pub(crate) use payload::CANCEL_TYPE;
pub(crate) use payload::CONTROL_TYPE;
pub(crate) use payload::ControlAct;
pub(crate) use payload::ControlOrder;
pub(crate) use payload::INPUT_TYPE;
pub(crate) use payload::MAX_WAITING_INPUT_BYTES;
pub(crate) use payload::POLICY_TYPE;
pub(crate) use payload::TASK_TYPE;
pub(crate) use payload::TaskOrder;
pub(crate) use payload::read_bundle;
pub(crate) use payload::read_cancel;
pub(crate) use payload::read_control;
pub(crate) use payload::read_input;
pub(crate) use payload::read_policy;
pub(crate) use payload::read_task;
pub(crate) use persistence::Persistence;
pub(crate) use pin::pins_of;
pub(crate) use recovery::fetch as newest_bundle;
pub(crate) use rekey::Rekey;
pub(crate) use rekey::Rekeyed;
pub(crate) use rekey::rekey;

use connect::Door;
use pin::Roots;
use session::Session;
use state::Action;
use state::Event;
use state::Reconnect;
use token::Tokens;

/// Where the hub is and how to know it.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// Host name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// The name in the hub's certificate.
    pub(crate) server_name: String,
    /// SHA-256 of the public keys of authorities that may have signed that certificate; for a node
    /// that has no trust bundle yet.
    pub(crate) pins: Vec<[u8; 32]>,
    /// Certificates of authorities, PEM, in addition to those that the hub presents.
    pub(crate) ca_pem: Option<String>,
}

/// Who dials.
#[derive(Clone)]
pub(crate) struct Membership {
    /// The hub that the node belongs to.
    pub(crate) hub: HubId,
    /// The node.
    pub(crate) node: NodeId,
    /// This run of the process.
    pub(crate) boot: BootId,
    /// The identity key.
    pub(crate) key: Arc<SigningKey>,
}

/// What enrolment needs beside the identity key.
#[derive(Clone, Copy)]
pub(crate) struct Application<'a> {
    /// The hub that is expected to answer.
    pub(crate) hub: HubId,
    /// The invite.
    pub(crate) invite: InviteId,
    /// The invite's secret; sent only to the hub that fits a pin.
    pub(crate) secret: &'a [u8; 32],
    /// The signing request for the node's TLS key, DER.
    pub(crate) csr: &'a [u8],
    /// The machine's host name.
    pub(crate) host_name: &'a str,
    /// Version of this software.
    pub(crate) version: &'a str,
}

/// What the hub made of the node.
#[derive(Debug, Clone)]
pub(crate) struct Enrolled {
    /// The node's id.
    pub(crate) node: NodeId,
    /// The node's name.
    pub(crate) name: String,
    /// The keys that sign for it.
    pub(crate) task_keys: Vec<VerifyingKey>,
    /// Join-state generation.
    pub(crate) generation: u64,
    /// The certificate; `None` where the hub issues none.
    pub(crate) certificate: Option<Issued>,
}

/// One signed message as it came; nothing about it is verified.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    /// The envelope's bytes.
    pub(crate) envelope: Bytes,
    /// The payload's bytes.
    pub(crate) payload: Bytes,
    /// The signature's bytes.
    pub(crate) signature: Bytes,
}

/// A trust bundle as it came; nothing about it is verified.
#[derive(Debug, Clone)]
pub(crate) struct SealedBundle {
    /// The bundle's bytes.
    pub(crate) bundle: Bytes,
    /// The signature's bytes.
    pub(crate) signature: Bytes,
}

/// What comes down from the hub, in order.
#[derive(Debug)]
pub(crate) enum Downlink {
    /// What came outside of a stream, epoch 0, sequence 1: a policy with the configuration, or a
    /// control with a refusal.
    Apart(Sealed),
    /// A trust bundle that came apart from signed messages.
    Trust {
        /// The bundle.
        bundle: SealedBundle,
        /// Answered with whether it was taken.
        taken: oneshot::Sender<bool>,
    },
    /// A control stream is open; what follows belongs to it.
    Opened {
        /// Its epoch.
        epoch: u64,
        /// Answered once nothing of an earlier stream is obeyed any more.
        taken: oneshot::Sender<()>,
    },
    /// A message of the stream.
    Signed(Sealed),
    /// What the stream offers has changed.
    Pool(Offers),
}

/// How the node stands to its hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It dials, or proves who it is.
    Connecting,
    /// The control stream of this epoch is open.
    Online {
        /// The epoch.
        epoch: u64,
    },
    /// It waits before it dials again.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// Why the last attempt failed or the last stream ended.
        reason: String,
    },
    /// It will not dial again.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Measures the node's health when a heartbeat is due.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<dyn Fn() -> BoxFuture<'static, Health> + Send + Sync>);

/// Keeps the node connected; made once, run once.
#[derive(Debug)]
pub(crate) struct Uplink {
    /// Where the hub is.
    pub(crate) destination: Destination,
    /// Who dials.
    pub(crate) membership: Membership,
    /// What it shows to TLS.
    pub(crate) credentials: Arc<dyn Credentials>,
    /// The newest bundle: the authorities that may have signed the hub's certificate.
    pub(crate) trusted: watch::Receiver<Option<Arc<Bundle>>>,
    /// The reports to deliver.
    pub(crate) outbox: Arc<Outbox>,
    /// Takes what comes down.
    pub(crate) inbox: mpsc::Sender<Downlink>,
    /// What the node can do; a change is told to the hub.
    pub(crate) capabilities: watch::Receiver<Capabilities>,
    /// Measures health.
    pub(crate) pulse: Pulse,
    /// Shows how the node stands to its hub.
    pub(crate) status: watch::Sender<Status>,
    /// How many tasks the node runs at once.
    pub(crate) max_tasks: u32,
    /// How many attempts may fail in a row.
    pub(crate) reconnect_limit: Option<u32>,
    /// Version of this software.
    pub(crate) version: String,
}

impl Pulse {
    /// Makes one of a function that measures.
    pub(crate) fn new(
        measure: impl Fn() -> BoxFuture<'static, Health> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(measure))
    }

    fn measure(&self) -> BoxFuture<'static, Health> {
        (self.0)()
    }
}

impl Uplink {
    /// Stays connected until `leave` has a reason, which it tells the hub.
    ///
    /// Every loss is followed by another attempt after a random wait that grows from 0.5 s to 10 s.
    ///
    /// # Errors
    /// The last error where the limit of attempts is reached.
    pub(crate) async fn run(self, mut leave: watch::Receiver<Option<String>>) -> Result<()> {
        let mut reconnect = Reconnect::new(self.reconnect_limit);
        let mut tokens = Tokens::new(self.membership.clone());
        let mut is_refused = false;
        loop {
            self.status.send_replace(Status::Connecting);
            let (tokens, leave_too) = (&mut tokens, leave.clone());
            let session = Session { uplink: &self, tokens, is_refused, leave: leave_too };
            let end = tokio::select! {
                end = session.run(&mut reconnect) => end,
                () = left_offline(&mut leave, &self.status) => return Ok(()),
            };
            let (cause, error) = match end {
                session::End::Left => return Ok(()),
                session::End::Ended(cause, error) => (cause, error),
            };
            is_refused = error.code() == connect::CERTIFICATE_REFUSED;
            match reconnect.on(Event::Ended(cause), Instant::now(), jitter()) {
                Action::GiveUp => {
                    self.status.send_replace(Status::Stopped { reason: error.to_string() });
                    return Err(error);
                }
                Action::Wait(span) => {
                    tracing::warn!(%error, wait = ?span, "no connection to the hub");
                    if !pause(span, &error, &self.status, &mut leave).await {
                        return Ok(());
                    }
                }
                Action::Stay => {}
            }
        }
    }
}

/// Enrols with the hub, once; the secret is sent only to the right one.
///
/// # Errors
/// `Denied`: `hub_pin_mismatch` or `hub_mismatch` where another hub answers (the secret was not
/// sent), `invite_…` where the hub refuses the invite.
pub(crate) async fn enrol(
    destination: &Destination,
    key: &SigningKey,
    application: &Application<'_>,
) -> Result<Enrolled> {
    let roots = Roots::configured(destination)?;
    let channel = connect::dial(destination, roots, Door::Enrolment).await?;
    calls::enrol(channel, key, application).await
}

/// Waits, and says so; false where the node is to leave.
async fn pause(
    span: Duration,
    error: &Error,
    status: &watch::Sender<Status>,
    leave: &mut watch::Receiver<Option<String>>,
) -> bool {
    let until = now() + span;
    status.send_replace(Status::Waiting { until, reason: error.to_string() });
    tokio::select! {
        () = tokio::time::sleep(span) => true,
        _ = leave.wait_for(Option::is_some) => false,
    }
}

/// Resolves when the node is to leave and no stream is open on which to say so.
async fn left_offline(leave: &mut watch::Receiver<Option<String>>, status: &watch::Sender<Status>) {
    let asked = leave.wait_for(Option::is_some).await.is_ok();
    if !asked {
        // Whoever could ask is gone: nobody will.
        std::future::pending::<()>().await;
    }
    let mut status = status.subscribe();
    // A session that is online leaves by itself; this one is not, or no longer.
    let _ = status.wait_for(|status| !matches!(status, Status::Online { .. })).await;
}

/// A random share from 0 to 1.
fn jitter() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pulse")
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("hub", &self.hub)
            .field("node", &self.node)
            .field("boot", &self.boot)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Application<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("hub", &self.hub)
            .field("invite", &self.invite)
            .finish_non_exhaustive()
    }
}
