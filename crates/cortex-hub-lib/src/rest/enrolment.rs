//! Enrolment over HTTP: a second door to the same admission, for machines that cannot speak gRPC yet.
//!
//! Whoever comes this way checks the hub by the certificate of its public name; a node that has its
//! `node.yaml` comes by gRPC and checks the pin.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequest as _;
use axum::extract::Request;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cortex_proto::json::CertChallenge;
use cortex_proto::json::CertChallengeRequest;
use cortex_proto::json::CertIssued;
use cortex_proto::json::CertRequest;

use super::Api;
use super::extract::Body;
use super::failure::Answer;
use super::failure::Failure;
use crate::clock;
use crate::hub::Applicant;
use crate::trust::invites::InviteToken;

/// Asks for a challenge to enrol. Unknown invites get one just like known ones.
#[utoipa::path(
    post, path = "/api/nodes/cert-request/challenge", operation_id = "begin_cert_request",
    tag = "nodes", request_body = CertChallengeRequest,
    responses((status = 200, description = "The challenge", body = CertChallenge))
)]
pub(super) async fn challenge(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Answer<Json<CertChallenge>> {
    let CertChallengeRequest { invite } = read(&api, request).await?;
    let invite = invite.parse().map_err(|error| invalid("invite", error))?;
    let challenge = api.hub.enrolment_challenge(invite)?;
    Ok(Json(CertChallenge {
        challenge: STANDARD.encode(challenge),
        hub: api.hub.id().to_string(),
        hub_time_ms: clock::now().as_millis(),
    }))
}

/// Uses an invite and makes its node: proves possession of the identity key and of the TLS key, and
/// gets a certificate.
///
/// A repeat with the same invite and identity key within ten minutes gets the same node.
#[utoipa::path(
    post, path = "/api/nodes/cert-request", operation_id = "cert_request", tag = "nodes",
    request_body = CertRequest,
    responses((status = 200, description = "The node and its certificate", body = CertIssued))
)]
pub(super) async fn finish(State(api): State<Arc<Api>>, request: Request) -> Answer<Response> {
    let applicant = parse(read(&api, request).await?)?;
    let welcome = api.hub.admit(applicant).await?;
    let certificate = welcome.certificate.ok_or_else(|| invalid("csr", "must not be empty"))?;
    let life = u64::try_from(certificate.life.as_millis()).unwrap_or(u64::MAX);
    let issued = CertIssued {
        node: welcome.node.id.to_string(),
        name: welcome.node.name,
        task_keys: welcome.task_keys.iter().map(|key| STANDARD.encode(key)).collect(),
        generation: welcome.node.join.generation,
        certificate: certificate.to_pem(),
        certificate_life_ms: life,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(issued)).into_response())
}

/// Reads the body, having counted the attempt: whoever is asked here has no account.
async fn read<T: serde::de::DeserializeOwned>(api: &Api, request: Request) -> Answer<T> {
    let address = api.origins.client(request.headers(), request.extensions());
    api.hub.accounts().count_stranger(address)?;
    let Body(body) = Body::<T>::from_request(request, &()).await?;
    Ok(body)
}

fn parse(wire: CertRequest) -> Answer<Applicant> {
    let InviteToken { id, secret } = wire.token.parse().map_err(|error| invalid("token", error))?;
    let csr = STANDARD.decode(&wire.csr).map_err(|error| invalid("csr", error))?;
    if csr.is_empty() {
        return Err(invalid("csr", "must not be empty"));
    }
    Ok(Applicant {
        invite: id,
        secret,
        challenge: bytes("challenge", &wire.challenge)?,
        csr,
        identity: bytes("identity_key", &wire.identity_key)?,
        signature: bytes::<64>("signature", &wire.signature)?.to_vec(),
        host_name: wire.host_name,
        version: wire.version,
    })
}

fn bytes<const N: usize>(field: &str, text: &str) -> Answer<[u8; N]> {
    let decoded = STANDARD.decode(text).map_err(|error| invalid(field, error))?;
    decoded.try_into().map_err(|_| invalid(field, format_args!("{N} bytes are expected")))
}

fn invalid(field: &str, reason: impl std::fmt::Display) -> Failure {
    Failure::invalid("body_shape", format!("field \"{field}\": {reason}"))
}
