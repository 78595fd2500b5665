//! The seed's three calls: configuration, the control stream, health.

use std::pin::Pin;
use std::sync::Arc;

use cortex_core::capability::Capabilities;
use cortex_core::node::HEARTBEAT;
use cortex_core::node::Health;
use cortex_proto::status::to_status;
use cortex_proto::v1;
use cortex_proto::v1::agent_orchestrator_server::AgentOrchestrator;
use cortex_proto::v1::hub_message::Body;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;

use super::auth::authenticate;
use super::auth::expect_own;
use super::downstream;
use super::downstream::Early;
use super::downstream::Live;
use super::plan::Plan;
use super::upstream;
use crate::clock;
use crate::hub::Hub;
use crate::hub::MAX_VERSION;
use crate::hub::NodeToken;
use crate::hub::Opened;
use crate::hub::Registration;
use crate::link::CloseReason;

/// Acknowledgements of heartbeats that wait for a slow node.
const ACK_QUEUE: usize = 2;

type Downward<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Debug)]
pub(super) struct Orchestrator {
    hub: Hub,
    plan: Arc<Plan>,
}

impl Orchestrator {
    pub(super) fn new(hub: Hub, plan: Arc<Plan>) -> Self {
        Self { hub, plan }
    }
}

#[tonic::async_trait]
impl AgentOrchestrator for Orchestrator {
    async fn sync_configuration(
        &self,
        request: Request<v1::RegistrationRequest>,
    ) -> Result<Response<v1::RegistrationResponse>, Status> {
        let token = authenticate(&self.hub, &request)?;
        let wire = request.into_inner();
        expect_own(&token, &wire.node_id)?;
        if wire.version.len() > MAX_VERSION {
            return Err(Status::invalid_argument("version is too long"));
        }
        let capabilities = Capabilities::try_from(wire.capabilities.unwrap_or_default())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let registration = Registration { capabilities, version: wire.version };
        let node_name =
            self.hub.register(&token, registration).await.map_err(|error| to_status(&error))?;
        let (following, now) = (self.hub.trust().signer().follow(token.node), clock::now());
        Ok(Response::new(v1::RegistrationResponse {
            policy: Some(self.plan.sign_policy(following.signer(), now)),
            heartbeat_interval_ms: u32::try_from(HEARTBEAT.as_millis()).unwrap_or(u32::MAX),
            hub_time_ms: now.as_millis(),
            node_name,
            bundle: Some(following.bundle().into()),
        }))
    }

    type TaskStreamStream = Downward<v1::HubMessage>;

    async fn task_stream(
        &self,
        request: Request<Streaming<v1::NodeMessage>>,
    ) -> Result<Response<Self::TaskStreamStream>, Status> {
        let token = authenticate(&self.hub, &request)?;
        let (early, handshake) = mpsc::channel(2);
        let hub = self.hub.clone();
        self.hub.track(converse(hub, token, request.into_inner(), early));
        Ok(Response::new(Box::pin(downstream::stream(self.plan.clone(), handshake))))
    }

    type ReportHealthStream = Downward<v1::HealthAck>;

    async fn report_health(
        &self,
        request: Request<Streaming<v1::Heartbeat>>,
    ) -> Result<Response<Self::ReportHealthStream>, Status> {
        let token = authenticate(&self.hub, &request)?;
        let (acks, receiver) = mpsc::channel(ACK_QUEUE);
        self.hub.track(take_beats(self.hub.clone(), token, request.into_inner(), acks));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// The node's side of a control stream, from challenge to end.
async fn converse(
    hub: Hub,
    token: NodeToken,
    mut inbound: Streaming<v1::NodeMessage>,
    early: mpsc::Sender<Early>,
) {
    // Boxed: it has 8 KiB, which the stream would otherwise keep for as long as it lives.
    let opened = match Box::pin(shake_hands(&hub, &token, &mut inbound, &early)).await {
        Ok(opened) => opened,
        Err(status) => {
            tracing::info!(node = %token.node, %status, "stream refused");
            // A node that is gone already need not be told.
            let _ = early.send(Early::Refused(status)).await;
            return;
        }
    };
    let Opened { link, down, up, following } = opened;
    let bundle = Some(following.bundle().into());
    let greeting = Body::Opened(v1::StreamOpened { epoch: link.epoch, bundle });
    let live = Box::new(Live { link: link.clone(), down, following });
    for step in [Early::Message(greeting), Early::Live(live)] {
        if early.send(step).await.is_err() {
            link.closed.cancel();
            return;
        }
    }
    loop {
        let message = tokio::select! {
            () = link.closed.cancelled() => return,
            message = inbound.message() => message,
        };
        // A broken connection and a stream that was ended come to the same: the node is gone.
        let Ok(Some(message)) = message else { break };
        match upstream::parse(message) {
            Ok(Some(news)) => {
                if up.send(news).await.is_err() {
                    return;
                }
            }
            Ok(None) => tracing::debug!(node = %token.node, "message of a later version ignored"),
            Err(error) => return link.close(CloseReason::Protocol(error.to_string())),
        }
    }
}

async fn shake_hands(
    hub: &Hub,
    token: &NodeToken,
    inbound: &mut Streaming<v1::NodeMessage>,
    early: &mpsc::Sender<Early>,
) -> Result<Opened, Status> {
    let nonce = hub.stream_challenge(token.node).map_err(|error| to_status(&error))?;
    let challenge =
        v1::StreamChallenge { nonce: nonce.to_vec().into(), hub_time_ms: clock::now().as_millis() };
    let gone = |_| Status::cancelled("the node went away");
    early.send(Early::Message(Body::Challenge(challenge))).await.map_err(gone)?;
    let claim = upstream::read_proof(inbound, nonce).await?;
    hub.open_stream(token, &claim).await.map_err(|error| to_status(&error))
}

/// Takes heartbeats until the call ends or one is refused.
async fn take_beats(
    hub: Hub,
    token: NodeToken,
    mut inbound: Streaming<v1::Heartbeat>,
    acks: mpsc::Sender<Result<v1::HealthAck, Status>>,
) {
    let shutdown = hub.shutdown_token();
    loop {
        let beat = tokio::select! {
            () = shutdown.cancelled() => return,
            // The node reads no acknowledgements any more: its call is over.
            () = acks.closed() => return,
            beat = inbound.message() => beat,
        };
        let Ok(Some(beat)) = beat else { return };
        let taken = match expect_own(&token, &beat.node_id) {
            Ok(()) => {
                let beaten = hub.beat(&token, beat.epoch, Health::from(&beat)).await;
                beaten.map_err(|error| to_status(&error))
            }
            Err(status) => Err(status),
        };
        let is_refused = taken.is_err();
        let ack = taken.map(|()| v1::HealthAck {
            sequence: beat.sequence,
            hub_time_ms: clock::now().as_millis(),
        });
        if acks.send(ack).await.is_err() || is_refused {
            return;
        }
    }
}
