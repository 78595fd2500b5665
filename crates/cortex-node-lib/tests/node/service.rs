//! The hub's calls: they check what a hub checks, and hand streams to the test.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use cortex_core::envelope::Envelope;
use cortex_core::envelope::KeyId;
use cortex_core::envelope::Kind;
use cortex_core::id::BootId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::proof;
use cortex_core::timestamp::Timestamp;
use cortex_proto::convert::ControlAct;
use cortex_proto::convert::ControlOrder;
use cortex_proto::v1;
use cortex_proto::v1::hub_message::Body as Down;
use cortex_proto::v1::node_message::Body as Up;
use ed25519_dalek::Signature;
use ed25519_dalek::VerifyingKey;
use futures::Stream;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;

use crate::hub::Rekeys;
use crate::hub::State;
use crate::link::Link;

const CHALLENGE: [u8; 32] = [9; 32];
const TOKEN: &str = "Bearer token-of-the-test";

#[derive(Debug, Clone)]
pub(crate) struct Service(pub(crate) Arc<State>);

type Downward<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

impl State {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Status> {
        let identity = *self.identity.lock().unwrap();
        let identity = identity.ok_or_else(|| Status::unauthenticated("nobody enrolled"))?;
        verify(&identity, message, signature)
    }

    /// What a node is told that was removed.
    fn removed(&self) -> Status {
        let details = match *self.signs_removal.lock().unwrap() {
            true => self.control(ControlAct::Deregister, 0, 1).encode_to_vec(),
            false => Vec::new(),
        };
        let code = tonic::Code::PermissionDenied;
        Status::with_details(code, "the node was removed", details.into())
    }

    /// Signs a payload for the node, as an envelope that a test may have bent.
    pub(crate) fn sign(
        &self,
        kind: Kind,
        payload_type: &str,
        payload: Vec<u8>,
        bend: impl FnOnce(&mut Envelope),
    ) -> v1::SignedMessage {
        let policy = self.policy.lock().unwrap().clone();
        let mut envelope = Envelope {
            kind,
            key: KeyId::of(&self.task_key.verifying_key()),
            hub: self.hub,
            node: self.node,
            session: SessionId::from_bytes([0; 16]),
            epoch: 0,
            task: TaskId::from_bytes([0; 16]),
            attempt: 0,
            sequence: 1,
            issued_at: now(),
            expires_at: now() + std::time::Duration::from_secs(60),
            nonce: [3; 16],
            policy: <sha2::Sha256 as sha2::Digest>::digest(&policy).into(),
            payload_type: payload_type.to_owned(),
            payload_len: 0,
            payload_digest: [0; 32],
        }
        .for_payload(&payload);
        bend(&mut envelope);
        let signed = envelope.sign(&self.task_key);
        v1::SignedMessage {
            envelope: signed.envelope.into(),
            payload: payload.into(),
            signature: signed.signature.to_vec().into(),
        }
    }

    /// A signed control of the node itself.
    pub(crate) fn control(&self, act: ControlAct, epoch: u64, sequence: u64) -> v1::SignedMessage {
        let order = ControlOrder { act, reason: "test".to_owned() };
        let payload = v1::ControlRequest::from(order).encode_to_vec();
        self.sign(Kind::Control, ControlOrder::TYPE, payload, |envelope| {
            (envelope.epoch, envelope.sequence) = (epoch, sequence);
        })
    }
}

fn verify(identity: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), Status> {
    let key = VerifyingKey::from_bytes(identity).unwrap();
    let signature = Signature::from_slice(signature).unwrap();
    key.verify_strict(message, &signature).map_err(|_| Status::unauthenticated("bad proof"))
}

fn authenticate<T>(request: &Request<T>) -> Result<(), Status> {
    let token = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    if token == Some(TOKEN) { Ok(()) } else { Err(Status::unauthenticated("no token")) }
}

#[tonic::async_trait]
impl v1::enrollment_service_server::EnrollmentService for Service {
    async fn begin_enrollment(
        &self,
        _: Request<v1::BeginEnrollmentRequest>,
    ) -> Result<Response<v1::BeginEnrollmentResponse>, Status> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(v1::BeginEnrollmentResponse {
            challenge: CHALLENGE.to_vec().into(),
            hub_time_ms: now().as_millis(),
            hub_id: self.0.hub.to_string(),
        }))
    }

    async fn finish_enrollment(
        &self,
        request: Request<v1::FinishEnrollmentRequest>,
    ) -> Result<Response<v1::FinishEnrollmentResponse>, Status> {
        let asked = request.into_inner();
        let state = &self.0;
        state.finished.fetch_add(1, Ordering::SeqCst);
        if asked.secret != state.secret.as_slice() || asked.invite_id != state.invite.to_string() {
            let refusal = cortex_core::invite::InviteError::AlreadyUsed;
            let error = cortex_core::Error::new(
                cortex_core::ErrorKind::Denied,
                "enrol",
                refusal.to_string(),
            );
            return Err(cortex_proto::status::to_status(&error.with_code(refusal.code())));
        }
        let identity: [u8; 32] = asked.identity_key.as_ref().try_into().unwrap();
        *state.identity.lock().unwrap() = Some(identity);
        let claim = proof::EnrolmentClaim {
            hub: state.hub,
            invite: state.invite,
            challenge: &CHALLENGE,
            csr: &asked.csr_der,
            identity: &identity,
            host_name: &asked.host_name,
        };
        state.verify(&proof::enrolment(&claim), &asked.signature)?;
        Ok(Response::new(v1::FinishEnrollmentResponse {
            node_id: state.node.to_string(),
            node_name: "lab-7".to_owned(),
            task_keys: vec![state.task_key.verifying_key().to_bytes().to_vec().into()],
            generation: 1,
            certificate: None,
        }))
    }

    async fn begin_renewal(
        &self,
        _: Request<v1::BeginRenewalRequest>,
    ) -> Result<Response<v1::BeginRenewalResponse>, Status> {
        Err(Status::unimplemented("this hub issues no certificates"))
    }

    async fn finish_renewal(
        &self,
        _: Request<v1::FinishRenewalRequest>,
    ) -> Result<Response<v1::FinishRenewalResponse>, Status> {
        Err(Status::unimplemented("this hub issues no certificates"))
    }

    async fn begin_rekey(
        &self,
        _: Request<v1::BeginRekeyRequest>,
    ) -> Result<Response<v1::BeginRekeyResponse>, Status> {
        Ok(Response::new(v1::BeginRekeyResponse {
            challenge: CHALLENGE.to_vec().into(),
            hub_time_ms: now().as_millis(),
        }))
    }

    async fn finish_rekey(
        &self,
        request: Request<v1::FinishRekeyRequest>,
    ) -> Result<Response<v1::FinishRekeyResponse>, Status> {
        let state = &self.0;
        if *state.revoked.lock().unwrap() {
            return Err(state.removed());
        }
        let asked = request.into_inner();
        let [old, new]: [[u8; 32]; 2] =
            [&asked.old_key, &asked.new_key].map(|key| key.as_ref().try_into().unwrap());
        let proven = proof::identity_change(state.hub, state.node, &CHALLENGE, &old, &new);
        verify(&old, &proven, &asked.old_signature)?;
        verify(&new, &proven, &asked.new_signature)?;
        let rekeys = *state.rekeys.lock().unwrap();
        if matches!(rekeys, Rekeys::Answered | Rekeys::Lost) {
            let mut identity = state.identity.lock().unwrap();
            if ![old, new].contains(&identity.unwrap()) {
                return Err(Status::unauthenticated("another key"));
            }
            *identity = Some(new);
        }
        match rekeys {
            Rekeys::Answered => Ok(Response::new(v1::FinishRekeyResponse {})),
            Rekeys::Lost | Rekeys::Unheard => Err(Status::unavailable("the line is cut")),
            Rekeys::Declined => {
                let refusal = cortex_core::registry::refusal::too_many_identity_keys("lab-7");
                Err(cortex_proto::status::to_status(&refusal))
            }
        }
    }
}

#[tonic::async_trait]
impl v1::token_service_server::TokenService for Service {
    async fn request_challenge(
        &self,
        _: Request<v1::RequestChallengeRequest>,
    ) -> Result<Response<v1::RequestChallengeResponse>, Status> {
        Ok(Response::new(v1::RequestChallengeResponse {
            challenge: CHALLENGE.to_vec().into(),
            hub_time_ms: now().as_millis(),
        }))
    }

    async fn issue_token(
        &self,
        request: Request<v1::IssueTokenRequest>,
    ) -> Result<Response<v1::IssueTokenResponse>, Status> {
        if *self.0.revoked.lock().unwrap() {
            return Err(self.0.removed());
        }
        let asked = request.into_inner();
        let proven = proof::token(self.0.hub, self.0.node, &CHALLENGE);
        self.0.verify(&proven, &asked.signature)?;
        self.0.tokens.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(v1::IssueTokenResponse {
            access_token: TOKEN.trim_start_matches("Bearer ").to_owned(),
            expires_at_ms: now().as_millis() + 900_000,
        }))
    }
}

#[tonic::async_trait]
impl v1::agent_orchestrator_server::AgentOrchestrator for Service {
    async fn sync_configuration(
        &self,
        request: Request<v1::RegistrationRequest>,
    ) -> Result<Response<v1::RegistrationResponse>, Status> {
        authenticate(&request)?;
        self.0.registrations.fetch_add(1, Ordering::SeqCst);
        let policy = self.0.policy.lock().unwrap().clone();
        let signed = self.0.sign(Kind::Policy, "cortex.v1.SandboxPolicy", policy, |_| ());
        Ok(Response::new(v1::RegistrationResponse {
            policy: Some(signed),
            heartbeat_interval_ms: 1_000,
            hub_time_ms: now().as_millis(),
            node_name: "lab-7".to_owned(),
            bundle: None,
        }))
    }

    type TaskStreamStream = Downward<v1::HubMessage>;

    async fn task_stream(
        &self,
        request: Request<Streaming<v1::NodeMessage>>,
    ) -> Result<Response<Self::TaskStreamStream>, Status> {
        authenticate(&request)?;
        let (down, stream) = mpsc::channel(64);
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            if let Err(status) = converse(&state, request.into_inner(), down.clone()).await {
                let _ = down.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    type ReportHealthStream = Downward<v1::HealthAck>;

    async fn report_health(
        &self,
        request: Request<Streaming<v1::Heartbeat>>,
    ) -> Result<Response<Self::ReportHealthStream>, Status> {
        authenticate(&request)?;
        let state = Arc::clone(&self.0);
        let acks = request.into_inner().map(move |beat| {
            let beat = beat?;
            assert!(beat.memory_total_bytes > 0 && beat.epoch > 0);
            state.beats.fetch_add(1, Ordering::SeqCst);
            Ok(v1::HealthAck { sequence: beat.sequence, hub_time_ms: now().as_millis() })
        });
        Ok(Response::new(Box::pin(acks)))
    }
}

async fn converse(
    state: &Arc<State>,
    mut up: Streaming<v1::NodeMessage>,
    down: mpsc::Sender<Result<v1::HubMessage, Status>>,
) -> Result<(), Status> {
    let say = |body| Ok(v1::HubMessage { body: Some(body) });
    let challenge =
        v1::StreamChallenge { nonce: CHALLENGE.to_vec().into(), hub_time_ms: now().as_millis() };
    let _ = down.send(say(Down::Challenge(challenge))).await;
    let Some(Up::Proof(proven)) = next(&mut up).await? else {
        return Err(Status::invalid_argument("expected a proof"));
    };
    let boot = BootId::from_slice(&proven.boot_id).unwrap();
    let message = proof::stream(state.hub, state.node, &CHALLENGE, boot, proven.generation);
    state.verify(&message, &proven.signature)?;
    let epoch = state.epochs.fetch_add(1, Ordering::SeqCst) + 1;
    let _ = down.send(say(Down::Opened(v1::StreamOpened { epoch, bundle: None }))).await;
    let Some(Up::Inventory(inventory)) = next(&mut up).await? else {
        return Err(Status::invalid_argument("expected an inventory"));
    };
    let (news, reader) = mpsc::channel(64);
    let link = Link::new(Arc::clone(state), epoch, inventory.attempts, down.clone(), reader);
    let _ = state.links.send(link).await;
    while let Some(body) = next(&mut up).await? {
        let is_leaving = matches!(body, Up::Leaving(_));
        if news.send(body).await.is_err() {
            break;
        }
        if is_leaving {
            let _ = down.send(say(Down::Closing(v1::StreamClosing::default()))).await;
        }
    }
    Ok(())
}

async fn next(up: &mut Streaming<v1::NodeMessage>) -> Result<Option<Up>, Status> {
    Ok(up.message().await?.and_then(|message| message.body))
}
