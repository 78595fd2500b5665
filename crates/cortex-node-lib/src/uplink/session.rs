//! One connection from dialling to its end: token, configuration, control stream, heartbeats.

mod trust;

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::envelope::CLOCK_SKEW;
use cortex_core::proof;
use cortex_proto::convert::Offers;
use cortex_proto::convert::parse_ack;
use cortex_proto::v1;
use cortex_proto::v1::hub_message::Body as Down;
use cortex_proto::v1::node_message::Body as Up;
use cortex_proto::v1::stream_closing::Reason;
use ed25519_dalek::Signer as _;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tonic::Streaming;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use super::Downlink;
use super::SealedBundle;
use super::Status;
use super::Uplink;
use super::beat;
use super::calls;
use super::calls::Refused;
use super::calls::Registration;
use super::connect::Door;
use super::dial::nobody_takes;
use super::now;
use super::renewal;
use super::state::Cause;
use super::state::Event;
use super::state::Reconnect;
use super::token::Tokens;
use super::upstream::Control;
use super::upstream::Upstream;

const STREAM: &str = "hold control stream";

/// How long the hub has to take the node's leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Messages that wait for the stream to take them; only the handshake and the leave use it.
const CONTROL_SLOTS: usize = 4;

pub(super) struct Session<'a> {
    pub(super) uplink: &'a Uplink,
    pub(super) tokens: &'a mut Tokens,
    /// The hub did not take the certificate when it was shown last.
    pub(super) is_refused: bool,
    pub(super) leave: watch::Receiver<Option<String>>,
}

pub(super) enum End {
    /// The node left on purpose.
    Left,
    /// The connection failed or was lost.
    Ended(Cause, Error),
}

/// An open control stream.
struct Open {
    epoch: u64,
    bundle: Option<SealedBundle>,
    control: mpsc::Sender<Control>,
    inbound: Streaming<v1::HubMessage>,
}

impl Session<'_> {
    pub(super) async fn run(mut self, reconnect: &mut Reconnect) -> End {
        match self.connect_and_serve(reconnect).await {
            Ok(end) => end,
            Err(error) => {
                if error.kind() == ErrorKind::Unauthenticated {
                    self.tokens.forget();
                }
                End::Ended(Cause::of(&error, false), error)
            }
        }
    }

    async fn connect_and_serve(&mut self, reconnect: &mut Reconnect) -> Result<End> {
        // Boxed, both: each dials, and would keep its room in every session.
        let joined = Box::pin(renewal::settle(self.uplink, self.is_refused)).await?;
        let door = Door::Main(joined.certificate.as_ref());
        let channel = Box::pin(self.uplink.dial(door)).await?;
        let mut capabilities = self.uplink.capabilities.clone();
        let (token, registration) = self.register(&channel, &mut capabilities).await?;
        self.configure(&registration).await?;
        let (control, slots) = mpsc::channel(CONTROL_SLOTS);
        let node = self.uplink.membership.node;
        let upstream = Upstream::new(node, Arc::clone(&self.uplink.outbox), slots);
        let mut open =
            self.open(channel.clone(), &token, joined.generation, upstream, control).await?;
        self.trust(open.bundle.take()).await?;
        // What an earlier stream still brought is taken first, so that the inventory is complete.
        let (taken, is_taken) = oneshot::channel();
        self.uplink.deliver(Downlink::Opened { epoch: open.epoch, taken }).await?;
        is_taken.await.map_err(|_| nobody_takes())?;
        let (generation, known) = self.uplink.outbox.begin();
        let attempts = known.into_iter().map(v1::AttemptStatus::from).collect();
        say(&open.control, Up::Inventory(v1::Inventory { attempts })).await?;
        open.control
            .send(Control::Live(generation))
            .await
            .map_err(|_| lost("the stream is closed"))?;
        reconnect.on(Event::Opened, Instant::now(), 0.0);
        let epoch = open.epoch;
        tracing::info!(epoch, name = registration.node_name, "online");
        self.uplink.status.send_replace(Status::Online { epoch });
        let interval = Duration::from_millis(u64::from(registration.heartbeat_ms))
            .clamp(Duration::from_secs(1), Duration::from_secs(60));
        let beats = beat::keep(self.uplink, channel.clone(), token, epoch, interval);
        let control = open.control.clone();
        drop(open.control);
        let trusted = trust::tell(self.uplink.trusted.clone(), control.clone());
        let leave = self.leave.clone();
        let end = tokio::select! {
            end = read(self.uplink, &mut open.inbound) => end,
            error = beats => End::Ended(Cause::Passing, error),
            error = Box::pin(renewal::keep(self.uplink)) => End::Ended(Cause::of(&error, false), error),
            error = self.tell_changes(&channel, &mut capabilities) => {
                End::Ended(Cause::of(&error, false), error)
            }
            error = trusted => End::Ended(Cause::Passing, error),
            () = say_farewell(leave, control) => End::Left,
        };
        let is_leaving = self.leave.borrow().is_some();
        Ok(if is_leaving { End::Left } else { end })
    }

    /// Gets a token and registers; a token that is refused is replaced once.
    async fn register(
        &mut self,
        channel: &Channel,
        capabilities: &mut watch::Receiver<cortex_core::capability::Capabilities>,
    ) -> Result<(AsciiMetadataValue, Registration)> {
        let (member, version) = (&self.uplink.membership, self.uplink.version.as_str());
        let mut is_second = false;
        loop {
            let token = match self.tokens.get(channel).await {
                Ok(token) => token,
                Err(Refused { error, verdict }) => {
                    if let Some(verdict) = verdict {
                        self.uplink.hear(channel, verdict).await?;
                    }
                    return Err(error);
                }
            };
            let mut stated = capabilities.borrow_and_update().clone();
            stated.max_tasks = self.uplink.max_tasks;
            match calls::register(channel.clone(), &token, member, version, stated).await {
                Err(error) if error.kind() == ErrorKind::Unauthenticated && !is_second => {
                    self.tokens.forget();
                    is_second = true;
                }
                Err(error) => return Err(error),
                Ok(registration) => return Ok((token, registration)),
            }
        }
    }

    async fn open(
        &self,
        channel: Channel,
        token: &AsciiMetadataValue,
        generation: u64,
        upstream: Upstream,
        control: mpsc::Sender<Control>,
    ) -> Result<Open> {
        let mut client = calls::orchestrator(channel);
        let call = client.task_stream(calls::authorized(upstream, token));
        let answer = calls::limited(STREAM, call).await?;
        let mut inbound = answer.map_err(|status| calls::call_error(STREAM, &status))?.into_inner();
        let Down::Challenge(challenge) = next(&mut inbound).await? else {
            return Err(unexpected("a challenge"));
        };
        let nonce = calls::challenge(STREAM, &challenge.nonce)?;
        compare_clocks(challenge.hub_time_ms);
        let member = &self.uplink.membership;
        let proven = proof::stream(member.hub, member.node, &nonce, member.boot, generation);
        let proof = v1::StreamProof {
            boot_id: Bytes::copy_from_slice(member.boot.as_bytes()),
            generation,
            signature: member.key.sign(&proven).to_vec().into(),
        };
        say(&control, Up::Proof(proof)).await?;
        let Down::Opened(opened) = next(&mut inbound).await? else {
            return Err(unexpected("the stream's epoch"));
        };
        let bundle = opened.bundle.map(SealedBundle::from);
        Ok(Open { epoch: opened.epoch, bundle, control, inbound })
    }

    /// Registers again whenever what the node can do has changed.
    async fn tell_changes(
        &mut self,
        channel: &Channel,
        capabilities: &mut watch::Receiver<cortex_core::capability::Capabilities>,
    ) -> Error {
        loop {
            if capabilities.changed().await.is_err() {
                // Nobody can change them any more.
                std::future::pending::<()>().await;
            }
            // Boxed: it is seldom, and would keep its room in every session.
            match Box::pin(self.register(channel, capabilities)).await {
                Ok((_, registration)) => {
                    if let Err(error) = self.configure(&registration).await {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
    }
}

/// Warns where the clocks are so far apart that signed tasks will soon be refused.
fn compare_clocks(hub_time_ms: i64) {
    let apart = now().as_millis().saturating_sub(hub_time_ms);
    if apart.unsigned_abs() > u64::try_from(CLOCK_SKEW.as_millis() / 2).unwrap_or(u64::MAX) {
        let seconds = apart / 1000;
        tracing::warn!(
            seconds,
            "this machine's clock is ahead of the hub's (behind if negative); \
            tasks are refused from 30 s on"
        );
    }
}

/// Takes what comes down until the stream ends.
async fn read(uplink: &Uplink, inbound: &mut Streaming<v1::HubMessage>) -> End {
    loop {
        let body = match inbound.message().await {
            Ok(Some(message)) => message.body,
            Ok(None) => return End::Ended(Cause::Passing, lost("the hub closed the stream")),
            Err(status) => {
                let error = calls::call_error(STREAM, &status);
                return End::Ended(Cause::of(&error, false), error);
            }
        };
        match body {
            Some(Down::Signed(message)) => {
                let delivered = uplink.deliver(Downlink::Signed(calls::sealed(message))).await;
                if let Err(error) = delivered {
                    return End::Ended(Cause::Passing, error);
                }
            }
            Some(Down::Ack(acks)) => {
                for ack in &acks.attempts {
                    match parse_ack(ack) {
                        Ok(ack) => {
                            crash_point!("node::ack-came");
                            uplink.outbox.acked(&ack);
                        }
                        Err(error) => tracing::warn!(%error, "an acknowledgement makes no sense"),
                    }
                }
            }
            Some(Down::Closing(closing)) => return closed(&closing),
            Some(Down::Challenge(_) | Down::Opened(_)) => {
                tracing::warn!("the hub repeats the handshake in an open stream");
            }
            Some(Down::WorkPool(update)) => match Offers::try_from(update) {
                Ok(offers) => {
                    if let Err(error) = uplink.deliver(Downlink::Pool(offers)).await {
                        return End::Ended(Cause::Passing, error);
                    }
                }
                Err(error) => tracing::warn!(%error, "an offer makes no sense"),
            },
            None => tracing::debug!("a message of a newer hub"),
        }
    }
}

fn closed(closing: &v1::StreamClosing) -> End {
    let message = &closing.message;
    match closing.reason() {
        Reason::Revoked => {
            // Nobody signed this. What is to be done about it came signed, just before.
            let message = format!("the hub takes this node no more: {message}");
            let error = Error::new(ErrorKind::Denied, STREAM, message).with_code("node_revoked");
            End::Ended(Cause::Refused, error)
        }
        Reason::SessionTakenOver => {
            let message = format!("another process uses this node's identity: {message}");
            End::Ended(Cause::TakenOver, lost(message).with_code("session_taken_over"))
        }
        Reason::Protocol => {
            let message = format!("the hub says that this node broke the protocol: {message}");
            End::Ended(Cause::Protocol, lost(message))
        }
        Reason::Shutdown => {
            End::Ended(Cause::Passing, lost(format!("the hub shuts down: {message}")))
        }
        Reason::Unspecified => {
            End::Ended(Cause::Passing, lost(format!("the hub closed the stream: {message}")))
        }
    }
}

/// Waits for a reason to leave, tells it, and gives the hub a moment to close.
async fn say_farewell(mut leave: watch::Receiver<Option<String>>, control: mpsc::Sender<Control>) {
    let asked = leave.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
    let Some(reason) = asked else { return std::future::pending().await };
    if say(&control, Up::Leaving(v1::Leaving { reason })).await.is_ok() {
        drop(control);
        tokio::time::sleep(FAREWELL).await;
    }
}

async fn say(control: &mpsc::Sender<Control>, body: Up) -> Result<()> {
    let message = Box::new(v1::NodeMessage { body: Some(body) });
    control.send(Control::Say(message)).await.map_err(|_| lost("the stream is closed"))
}

async fn next(inbound: &mut Streaming<v1::HubMessage>) -> Result<Down> {
    let message = calls::limited(STREAM, inbound.message()).await?;
    match message.map_err(|status| calls::call_error(STREAM, &status))? {
        Some(v1::HubMessage { body: Some(Down::Closing(closing)) }) => match closed(&closing) {
            End::Ended(_, error) => Err(error),
            End::Left => Err(lost("the hub closed the stream")),
        },
        Some(v1::HubMessage { body: Some(body) }) => Ok(body),
        Some(_) => Err(unexpected("a message")),
        None => Err(lost("the hub closed the stream")),
    }
}

fn unexpected(what: &str) -> Error {
    let message = format!("the hub did not send {what}");
    Error::new(ErrorKind::Internal, STREAM, message).with_code("bad_answer")
}

fn lost(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, STREAM, message).with_code("connection_lost")
}
