//! The door: what is signed is verified on its raw bytes before anything of it is decoded.

use std::sync::Arc;

use cortex_core::bundle;
use cortex_core::bundle::Bundle;
use cortex_core::digest::Digest;
use cortex_core::envelope::Envelope;
use cortex_core::envelope::Expected;
use cortex_core::envelope::Kind;
use cortex_core::envelope::Refusal;
use cortex_core::envelope::verify;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::Input;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::VerifyingKey;
use sha2::Digest as _;
use sha2::Sha256;

use crate::uplink::AttemptKey;
use crate::uplink::BUNDLE_TYPE;
use crate::uplink::CANCEL_TYPE;
use crate::uplink::CONTROL_TYPE;
use crate::uplink::ControlAct;
use crate::uplink::ControlOrder;
use crate::uplink::INPUT_TYPE;
use crate::uplink::POLICY_TYPE;
use crate::uplink::Sealed;
use crate::uplink::SealedBundle;
use crate::uplink::TASK_TYPE;
use crate::uplink::TaskOrder;
use crate::uplink::read_bundle;
use crate::uplink::read_cancel;
use crate::uplink::read_control;
use crate::uplink::read_input;
use crate::uplink::read_policy;
use crate::uplink::read_task;

use super::Authority;
use super::witness::Mandate;

/// A policy that comes with the configuration stands outside of every stream, and so does a control
/// that comes with a refusal.
const CONFIGURATION_EPOCH: u64 = 0;

/// Knows what must be true of the next message.
#[derive(Debug)]
pub(super) struct Guard {
    authority: Authority,
    epoch: u64,
    last_sequence: u64,
    /// Digest of the raw bytes of the policy in force; all zero, which no policy has, before the
    /// first.
    policy: [u8; 32],
    refused: u64,
}

/// Something to do, verified and decoded.
#[derive(Debug)]
pub(super) enum Order {
    /// Run a task.
    Run { key: AttemptKey, mandate: Mandate, order: Box<TaskOrder>, epoch: u64, sequence: u64 },
    /// Stop an attempt.
    Cancel { key: AttemptKey, reason: String },
    /// Put something into a running attempt.
    Input { key: AttemptKey, number: u64, input: Input },
    /// Put a policy in force.
    Adopt(SandboxPolicy),
    /// Trust what a bundle says, once the anchor's signature is verified too.
    Trust(SealedBundle),
    /// Something about the node itself.
    Control(ControlOrder),
}

/// What to do about a message.
#[derive(Debug)]
pub(super) enum Ruling {
    /// Do it.
    Obey(Order),
    /// Tell the hub that the attempt is refused.
    Reject { key: AttemptKey, mandate: Mandate, rule: String, reason: String },
    /// Nothing; it was logged.
    Ignore,
}

/// Whether this is the hub's own word that it has removed the node, said outside of a stream.
pub(crate) fn is_removal(authority: &Authority, sealed: Sealed, now: Timestamp) -> bool {
    let ruling = Guard::new(authority.clone()).judge_apart(sealed, now);
    matches!(ruling, Ruling::Obey(Order::Control(order)) if order.act == ControlAct::Deregister)
}

impl Guard {
    pub(super) fn new(authority: Authority) -> Self {
        Self { authority, epoch: 0, last_sequence: 0, policy: [0; 32], refused: 0 }
    }

    /// A new stream: its epoch fences all earlier ones, its sequence begins anew.
    pub(super) fn opened(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.last_sequence = 0;
    }

    /// Judges what came outside of a stream: a policy with the configuration, or a control with a
    /// refusal.
    pub(super) fn judge_apart(&mut self, sealed: Sealed, now: Timestamp) -> Ruling {
        match self.verify(&sealed, CONFIGURATION_EPOCH, 0, now) {
            Ok(envelope) if envelope.kind == Kind::Policy => self.adopt(&envelope, &sealed),
            Ok(envelope) if envelope.kind == Kind::Control => read_order_to_self(&envelope, sealed),
            Ok(envelope) => {
                tracing::error!(kind = ?envelope.kind, "it belongs into a stream");
                Ruling::Ignore
            }
            Err(refusal) => {
                self.refused += 1;
                tracing::error!(%refusal, "the hub's configuration is refused");
                Ruling::Ignore
            }
        }
    }

    /// Judges a message of the stream.
    pub(super) fn judge(&mut self, sealed: Sealed, now: Timestamp) -> Ruling {
        let envelope = match self.verify(&sealed, self.epoch, self.last_sequence, now) {
            Ok(envelope) => envelope,
            Err(refusal) => return self.refuse(refusal, &sealed),
        };
        self.last_sequence = envelope.sequence;
        match envelope.kind {
            Kind::Task => read_order(&envelope, sealed),
            Kind::Cancel => read_stop(&envelope, sealed),
            Kind::Input => read_typed(&envelope, sealed),
            Kind::Policy => self.adopt(&envelope, &sealed),
            Kind::Control => read_order_to_self(&envelope, sealed),
            Kind::FileOp => {
                tracing::warn!(kind = ?envelope.kind, "a message of a newer hub");
                Ruling::Ignore
            }
        }
    }

    /// Takes a bundle as [`Authority::trust`] does.
    pub(super) fn trust(
        &mut self,
        sealed: &SealedBundle,
    ) -> Result<Option<Arc<Bundle>>, bundle::Refusal> {
        self.authority.trust(sealed)
    }

    /// The keys that may sign for the node at `now`.
    fn keys(&self, now: Timestamp) -> Vec<VerifyingKey> {
        match &self.authority.bundle {
            Some(bundle) => bundle.accepted_task_keys(now).copied().collect(),
            None => self.authority.task_keys.clone(),
        }
    }

    fn verify(
        &self,
        sealed: &Sealed,
        epoch: u64,
        last_sequence: u64,
        now: Timestamp,
    ) -> Result<Envelope, Refusal> {
        let expected = Expected {
            keys: &self.keys(now),
            hub: self.authority.hub,
            node: self.authority.node,
            epoch,
            last_sequence,
            policy: Some(self.policy),
            now,
        };
        verify(&sealed.envelope, &sealed.signature, &sealed.payload, &expected)
    }

    fn adopt(&mut self, envelope: &Envelope, sealed: &Sealed) -> Ruling {
        if envelope.payload_type != POLICY_TYPE {
            tracing::error!(found = envelope.payload_type, "a policy of an unknown type");
            return Ruling::Ignore;
        }
        match read_policy(sealed.payload.clone()) {
            Ok(policy) => {
                let digest = Sha256::digest(&sealed.payload).into();
                if std::mem::replace(&mut self.policy, digest) != digest {
                    tracing::info!(mode = %policy.mode, "policy in force");
                }
                Ruling::Obey(Order::Adopt(policy))
            }
            Err(error) => {
                tracing::error!(%error, "the hub's policy cannot be read; the earlier one stays");
                Ruling::Ignore
            }
        }
    }

    /// Answers only who has proven to be the hub, and only about a task for this node.
    fn refuse(&mut self, refusal: Refusal, sealed: &Sealed) -> Ruling {
        self.refused += 1;
        let count = self.refused;
        tracing::warn!(%refusal, count, "a signed message is refused");
        let is_proven = !matches!(
            refusal,
            Refusal::Malformed
                | Refusal::UnknownKey
                | Refusal::BadSignature
                | Refusal::WrongAddress
        );
        match Envelope::from_bytes(&sealed.envelope) {
            Some(envelope) if is_proven && envelope.kind == Kind::Task && envelope.attempt > 0 => {
                Ruling::Reject {
                    key: key_of(&envelope),
                    mandate: mandate_of(&envelope, sealed),
                    rule: refusal.code().to_owned(),
                    reason: refusal.to_string(),
                }
            }
            _ => Ruling::Ignore,
        }
    }
}

fn read_order(envelope: &Envelope, sealed: Sealed) -> Ruling {
    let key = key_of(envelope);
    if key.attempt == 0 {
        tracing::warn!(task = %key.task, "a task without an attempt");
        return Ruling::Ignore;
    }
    let mandate = mandate_of(envelope, &sealed);
    let bad = |reason: String| Ruling::Reject { key, mandate, rule: "BAD_TASK".to_owned(), reason };
    if envelope.payload_type != TASK_TYPE {
        return bad(format!("the payload is a {:?}", envelope.payload_type));
    }
    match read_task(sealed.payload) {
        Ok(order) if order.task == envelope.task && order.session == envelope.session => {
            Ruling::Obey(Order::Run {
                key,
                mandate,
                order: Box::new(order),
                epoch: envelope.epoch,
                sequence: envelope.sequence,
            })
        }
        Ok(_) => bad("task or session are not those of the envelope".to_owned()),
        Err(error) => bad(error.message().to_owned()),
    }
}

fn read_stop(envelope: &Envelope, sealed: Sealed) -> Ruling {
    if envelope.payload_type != CANCEL_TYPE {
        tracing::warn!(found = envelope.payload_type, "a cancel of an unknown type");
        return Ruling::Ignore;
    }
    match read_cancel(sealed.payload) {
        Ok(order) if order.task == envelope.task => {
            Ruling::Obey(Order::Cancel { key: key_of(envelope), reason: order.reason })
        }
        Ok(_) => {
            tracing::warn!(task = %envelope.task, "a cancel for another task than signed");
            Ruling::Ignore
        }
        Err(error) => {
            tracing::warn!(%error, "a cancel that cannot be read");
            Ruling::Ignore
        }
    }
}

fn read_typed(envelope: &Envelope, sealed: Sealed) -> Ruling {
    if envelope.payload_type != INPUT_TYPE {
        tracing::warn!(found = envelope.payload_type, "an input of an unknown type");
        return Ruling::Ignore;
    }
    match read_input(sealed.payload) {
        Ok(order) if order.task == envelope.task => {
            let (key, number) = (key_of(envelope), order.number);
            Ruling::Obey(Order::Input { key, number, input: order.input })
        }
        Ok(_) => {
            tracing::warn!(task = %envelope.task, "an input for another task than signed");
            Ruling::Ignore
        }
        Err(error) => {
            tracing::warn!(%error, "an input that cannot be read");
            Ruling::Ignore
        }
    }
}

fn read_order_to_self(envelope: &Envelope, sealed: Sealed) -> Ruling {
    let order = match envelope.payload_type.as_str() {
        BUNDLE_TYPE => read_bundle(sealed.payload).map(Order::Trust),
        CONTROL_TYPE => read_control(sealed.payload).map(Order::Control),
        found => {
            tracing::warn!(found, "a control of an unknown type");
            return Ruling::Ignore;
        }
    };
    match order {
        Ok(order) => Ruling::Obey(order),
        Err(error) => {
            tracing::warn!(%error, "a control that cannot be read");
            Ruling::Ignore
        }
    }
}

/// What a receipt will say that it answers.
fn mandate_of(envelope: &Envelope, sealed: &Sealed) -> Mandate {
    Mandate { session: envelope.session, envelope: Digest::of(&sealed.envelope) }
}

fn key_of(envelope: &Envelope) -> AttemptKey {
    AttemptKey { task: envelope.task, attempt: envelope.attempt }
}

#[cfg(test)]
mod tests;
