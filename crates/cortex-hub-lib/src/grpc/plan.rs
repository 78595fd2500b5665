//! What is signed for nodes: the policy, tasks and cancels planned against it, input.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::envelope::Envelope;
use cortex_core::envelope::KeyId;
use cortex_core::envelope::Kind;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use cortex_core::timestamp::Timestamp;
use cortex_proto::convert::CancelOrder;
use cortex_proto::convert::ControlAct;
use cortex_proto::convert::ControlOrder;
use cortex_proto::convert::InputOrder;
use cortex_proto::convert::Offers;
use cortex_proto::convert::TaskOrder;
use cortex_proto::convert::bundle;
use cortex_proto::convert::policy;
use cortex_proto::status::to_status;
use cortex_proto::v1;
use prost::Message as _;
use sha2::Digest as _;
use sha2::Sha256;
use tonic::Status;

use crate::clock;
use crate::hub::Hub;
use crate::link::Down;
use crate::trust::Sealer;
use crate::trust::signing::NodeSigner;

/// How long a signed message is good: longer than any queue on the way, shorter than the ten
/// minutes that nodes accept.
const LIFE: Duration = Duration::from_secs(120);

/// The policy in force, encoded once.
#[derive(Debug)]
pub(super) struct Plan {
    policy: Bytes,
    digest: [u8; 32],
    /// Opens the secrets of tasks where they are signed for their node, and nowhere else.
    sealer: Arc<Sealer>,
}

/// What an envelope is about, besides hub, node and key.
struct Subject {
    kind: Kind,
    session: SessionId,
    task: TaskId,
    attempt: u32,
    payload_type: &'static str,
}

impl Plan {
    pub(super) fn of(policy: &SandboxPolicy, sealer: Arc<Sealer>) -> Self {
        let policy = Bytes::from(v1::SandboxPolicy::from(policy).encode_to_vec());
        let digest = Sha256::digest(&policy).into();
        Self { policy, digest, sealer }
    }

    /// The policy, signed for a node outside of any stream.
    pub(super) fn sign_policy(&self, signer: &NodeSigner, now: Timestamp) -> v1::SignedMessage {
        let subject = Subject {
            kind: Kind::Policy,
            session: SessionId::from_bytes([0; 16]),
            task: TaskId::from_bytes([0; 16]),
            attempt: 0,
            payload_type: policy::TYPE,
        };
        self.sign(signer, (0, 1), &subject, self.policy.clone(), now)
    }

    /// An order about the node itself; `at` is epoch and sequence, (0, 1) outside of any stream.
    pub(super) fn sign_control(
        &self,
        signer: &NodeSigner,
        at: (u64, u64),
        order: ControlOrder,
        now: Timestamp,
    ) -> v1::SignedMessage {
        let subject = Subject {
            kind: Kind::Control,
            session: SessionId::from_bytes([0; 16]),
            task: TaskId::from_bytes([0; 16]),
            attempt: 0,
            payload_type: ControlOrder::TYPE,
        };
        let payload = v1::ControlRequest::from(order).encode_to_vec().into();
        self.sign(signer, at, &subject, payload, now)
    }

    /// The answer to a node that is refused. One that was removed is told so with a signature, so
    /// that it may believe it.
    pub(super) fn refusal(&self, hub: &Hub, node: NodeId, error: &Error) -> Status {
        let status = to_status(error);
        if error.code() != "node_retired" {
            return status;
        }
        let following = hub.trust().signer().follow(node);
        let order =
            ControlOrder { act: ControlAct::Deregister, reason: error.message().to_owned() };
        let details =
            self.sign_control(following.signer(), (0, 1), order, clock::now()).encode_to_vec();
        let (code, words) = (status.code(), status.message().to_owned());
        let metadata = status.metadata().clone();
        Status::with_details_and_metadata(code, words, details.into(), metadata)
    }

    /// What goes down a stream; `at` is its epoch and the message's sequence.
    pub(super) fn message(
        &self,
        signer: &NodeSigner,
        at: (u64, u64),
        down: Down,
        now: Timestamp,
    ) -> v1::hub_message::Body {
        use v1::hub_message::Body;
        match down {
            Down::Run(task) => {
                let subject = Subject {
                    kind: Kind::Task,
                    session: task.session,
                    task: task.id,
                    attempt: task.attempt,
                    payload_type: TaskOrder::TYPE,
                };
                let payload = self.order(&task, now).encode_to_vec().into();
                Body::Signed(self.sign(signer, at, &subject, payload, now))
            }
            Down::Cancel { session, task, attempt, reason } => {
                let payload_type = CancelOrder::TYPE;
                let subject = Subject { kind: Kind::Cancel, session, task, attempt, payload_type };
                let order = CancelOrder { task, reason };
                let payload = v1::CancelRequest::from(order).encode_to_vec().into();
                Body::Signed(self.sign(signer, at, &subject, payload, now))
            }
            Down::Input { session, task, attempt, number, input } => {
                let payload_type = InputOrder::TYPE;
                let subject = Subject { kind: Kind::Input, session, task, attempt, payload_type };
                let order = InputOrder { task, number, input };
                let payload = v1::TaskInput::from(order).encode_to_vec().into();
                Body::Signed(self.sign(signer, at, &subject, payload, now))
            }
            Down::Acks(acks) => {
                let attempts = acks.into_iter().map(v1::AttemptAck::from).collect();
                Body::Ack(v1::ReportAck { attempts })
            }
            Down::Pool { offered, withdrawn } => {
                Body::WorkPool(Offers { offered, withdrawn }.into())
            }
        }
    }

    /// A task with its secrets. Where they cannot be opened, the order has their names alone, which
    /// no node takes: the task is rejected, and never runs without them.
    fn order(&self, task: &Task, now: Timestamp) -> v1::TaskRequest {
        let spec = &*task.spec;
        let request = |spec: &TaskSpec| {
            let mut order = TaskOrder::of(task.id, task.session, spec);
            // What is left until the deadline is a span, so no two clocks have to agree.
            order.timeout = spec.time_left(now);
            v1::TaskRequest::from(order)
        };
        if spec.secrets.is_empty() {
            return request(spec);
        }
        let opened = spec.sealed.as_ref().map(|sealed| self.sealer.open(task.id, sealed));
        match opened.transpose() {
            Ok(Some(given)) => request(&TaskSpec { given, ..spec.clone() }),
            lost => {
                tracing::error!(task = %task.id, ?lost, "a task's secrets are lost");
                let name =
                    |name: &String| v1::TaskSecret { name: name.clone(), ..Default::default() };
                let secrets = spec.secrets.iter().map(name).collect();
                v1::TaskRequest { secrets, ..request(spec) }
            }
        }
    }

    /// What the node is to trust from now on; `at` is the stream's epoch and the message's sequence.
    pub(super) fn tell_trust(
        &self,
        signer: &NodeSigner,
        at: (u64, u64),
        bundle: &v1::TrustBundle,
        now: Timestamp,
    ) -> v1::hub_message::Body {
        let subject = Subject {
            kind: Kind::Control,
            session: SessionId::from_bytes([0; 16]),
            task: TaskId::from_bytes([0; 16]),
            attempt: 0,
            payload_type: bundle::TYPE,
        };
        let payload = bundle.encode_to_vec().into();
        v1::hub_message::Body::Signed(self.sign(signer, at, &subject, payload, now))
    }

    fn sign(
        &self,
        signer: &NodeSigner,
        (epoch, sequence): (u64, u64),
        subject: &Subject,
        payload: Bytes,
        now: Timestamp,
    ) -> v1::SignedMessage {
        let envelope = Envelope {
            kind: subject.kind,
            key: KeyId([0; 8]),
            hub: HubId::from_bytes([0; 16]),
            node: NodeId::from_bytes([0; 16]),
            session: subject.session,
            epoch,
            task: subject.task,
            attempt: subject.attempt,
            sequence,
            issued_at: now,
            expires_at: now + LIFE,
            nonce: [0; 16],
            policy: self.digest,
            payload_type: subject.payload_type.to_owned(),
            payload_len: 0,
            payload_digest: [0; 32],
        };
        // The signer fills in key, hub, node and nonce.
        let signed = signer.sign(envelope.for_payload(&payload));
        v1::SignedMessage {
            envelope: signed.envelope.into(),
            payload,
            signature: signed.signature.to_vec().into(),
        }
    }
}
