//! Enrolment and renewal: the only service that is open to those who have no token.

use std::sync::Arc;

use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_proto::status::to_status;
use cortex_proto::v1;
use cortex_proto::v1::enrollment_service_server::EnrollmentService;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::plan::Plan;
use crate::clock;
use crate::hub::Applicant;
use crate::hub::Hub;
use crate::hub::RekeyClaim;
use crate::hub::RenewalClaim;
use crate::trust::invites::InviteSecret;
use crate::trust::node_certificate::NodeCertificate;

#[derive(Debug)]
pub(super) struct Enrollment {
    hub: Hub,
    plan: Arc<Plan>,
}

impl Enrollment {
    pub(super) fn new(hub: Hub, plan: Arc<Plan>) -> Self {
        Self { hub, plan }
    }
}

#[tonic::async_trait]
impl EnrollmentService for Enrollment {
    async fn begin_enrollment(
        &self,
        request: Request<v1::BeginEnrollmentRequest>,
    ) -> Result<Response<v1::BeginEnrollmentResponse>, Status> {
        let invite = parse_invite(&request.get_ref().invite_id)?;
        let challenge = self.hub.enrolment_challenge(invite).map_err(|e| to_status(&e))?;
        Ok(Response::new(v1::BeginEnrollmentResponse {
            challenge: challenge.to_vec().into(),
            hub_time_ms: clock::now().as_millis(),
            hub_id: self.hub.id().to_string(),
        }))
    }

    async fn finish_enrollment(
        &self,
        request: Request<v1::FinishEnrollmentRequest>,
    ) -> Result<Response<v1::FinishEnrollmentResponse>, Status> {
        let applicant = parse_applicant(request.into_inner())?;
        let welcome = self.hub.admit(applicant).await.map_err(|e| to_status(&e))?;
        Ok(Response::new(v1::FinishEnrollmentResponse {
            node_id: welcome.node.id.to_string(),
            node_name: welcome.node.name,
            task_keys: welcome.task_keys.into_iter().map(|key| key.to_vec().into()).collect(),
            generation: welcome.node.join.generation,
            certificate: welcome.certificate.as_ref().map(certificate),
        }))
    }

    async fn begin_renewal(
        &self,
        request: Request<v1::BeginRenewalRequest>,
    ) -> Result<Response<v1::BeginRenewalResponse>, Status> {
        let node = parse_node(&request.get_ref().node_id)?;
        let challenge = self.hub.renewal_challenge(node).map_err(|e| to_status(&e))?;
        Ok(Response::new(v1::BeginRenewalResponse {
            challenge: challenge.to_vec().into(),
            hub_time_ms: clock::now().as_millis(),
        }))
    }

    async fn finish_renewal(
        &self,
        request: Request<v1::FinishRenewalRequest>,
    ) -> Result<Response<v1::FinishRenewalResponse>, Status> {
        let wire = request.into_inner();
        let claim = RenewalClaim {
            node: parse_node(&wire.node_id)?,
            challenge: parse_bytes::<CHALLENGE_LEN>("challenge", &wire.challenge)?,
            generation: wire.generation,
            csr: wire.csr_der.to_vec(),
            signature: wire.signature.to_vec(),
        };
        let node = claim.node;
        let renewed = self
            .hub
            .renew_certificate(claim)
            .await
            .map_err(|error| self.plan.refusal(&self.hub, node, &error))?;
        Ok(Response::new(v1::FinishRenewalResponse {
            generation: renewed.generation,
            certificate: Some(certificate(&renewed.certificate)),
        }))
    }

    async fn begin_rekey(
        &self,
        request: Request<v1::BeginRekeyRequest>,
    ) -> Result<Response<v1::BeginRekeyResponse>, Status> {
        let node = parse_node(&request.get_ref().node_id)?;
        let challenge = self.hub.rekey_challenge(node).map_err(|e| to_status(&e))?;
        Ok(Response::new(v1::BeginRekeyResponse {
            challenge: challenge.to_vec().into(),
            hub_time_ms: clock::now().as_millis(),
        }))
    }

    async fn finish_rekey(
        &self,
        request: Request<v1::FinishRekeyRequest>,
    ) -> Result<Response<v1::FinishRekeyResponse>, Status> {
        let wire = request.into_inner();
        let node = parse_node(&wire.node_id)?;
        let claim = RekeyClaim {
            node,
            challenge: parse_bytes::<CHALLENGE_LEN>("challenge", &wire.challenge)?,
            from: parse_bytes::<32>("old_key", &wire.old_key)?,
            to: parse_bytes::<32>("new_key", &wire.new_key)?,
            by_old: wire.old_signature.to_vec(),
            by_new: wire.new_signature.to_vec(),
        };
        let rekeyed = self.hub.rekey(claim).await;
        rekeyed.map_err(|error| self.plan.refusal(&self.hub, node, &error))?;
        Ok(Response::new(v1::FinishRekeyResponse {}))
    }
}

fn parse_applicant(wire: v1::FinishEnrollmentRequest) -> Result<Applicant, Status> {
    Ok(Applicant {
        invite: parse_invite(&wire.invite_id)?,
        secret: InviteSecret::from_slice(&wire.secret)
            .ok_or_else(|| Status::invalid_argument("secret: 32 bytes are expected"))?,
        challenge: parse_bytes::<CHALLENGE_LEN>("challenge", &wire.challenge)?,
        csr: wire.csr_der.to_vec(),
        identity: parse_bytes::<32>("identity_key", &wire.identity_key)?,
        signature: wire.signature.to_vec(),
        host_name: wire.host_name,
        version: wire.version,
    })
}

fn certificate(issued: &NodeCertificate) -> v1::NodeCertificate {
    v1::NodeCertificate {
        chain: issued.chain.iter().map(|one| one.to_vec().into()).collect(),
        life_ms: i64::try_from(issued.life.as_millis()).unwrap_or(i64::MAX),
    }
}

fn parse_invite(text: &str) -> Result<InviteId, Status> {
    text.parse().map_err(|error| Status::invalid_argument(format!("invite_id: {error}")))
}

/// A node's id.
pub(super) fn parse_node(text: &str) -> Result<NodeId, Status> {
    text.parse().map_err(|error| Status::invalid_argument(format!("node_id: {error}")))
}

/// Bytes of a fixed length.
pub(super) fn parse_bytes<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], Status> {
    bytes
        .try_into()
        .map_err(|_| Status::invalid_argument(format!("{field}: {N} bytes are expected")))
}
