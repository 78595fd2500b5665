//! The calls with one question and one answer: enrolment, tokens, configuration.

use std::time::Duration;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::capability::Capabilities;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::proof;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::proof::EnrolmentClaim;
use cortex_proto::limits;
use cortex_proto::status::code_word;
use cortex_proto::status::from_status;
use cortex_proto::v1;
use cortex_proto::v1::agent_orchestrator_client::AgentOrchestratorClient;
use cortex_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use cortex_proto::v1::token_service_client::TokenServiceClient;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use prost::Message as _;
use tonic::Code;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use super::Application;
use super::Enrolled;
use super::Membership;
use super::Renewed;
use super::Sealed;
use super::SealedBundle;

const ENROL: &str = "enrol";
const RENEW: &str = "renew certificate";
const TOKEN: &str = "get access token";
const SYNC: &str = "synchronise configuration";

/// A host name is told up to this many bytes.
const MAX_HOST_NAME_BYTES: usize = 255;

/// The answer to a registration.
pub(super) struct Registration {
    pub(super) policy: Sealed,
    pub(super) heartbeat_ms: u32,
    pub(super) node_name: String,
    pub(super) bundle: Option<SealedBundle>,
}

/// Why a node gets nothing.
pub(super) struct Refused {
    pub(super) error: Error,
    /// What the hub has to say about it with its signature.
    pub(super) verdict: Option<Sealed>,
}

/// A token as it was issued.
pub(super) struct Issued {
    pub(super) token: AsciiMetadataValue,
    /// How long it is good by the hub's clock, in milliseconds.
    pub(super) life_ms: i64,
}

pub(super) fn orchestrator(channel: Channel) -> AgentOrchestratorClient<Channel> {
    AgentOrchestratorClient::new(channel)
        .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(limits::MAX_MESSAGE_BYTES)
}

/// A request with the access token.
pub(super) fn authorized<T>(body: T, token: &AsciiMetadataValue) -> Request<T> {
    let mut request = Request::new(body);
    request.metadata_mut().insert("authorization", token.clone());
    request
}

/// Turns an invite into a membership.
pub(super) async fn enrol(
    channel: Channel,
    key: &SigningKey,
    application: &Application<'_>,
) -> Result<Enrolled> {
    let mut client = EnrollmentServiceClient::new(channel)
        .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(limits::MAX_MESSAGE_BYTES);
    let invite_id = application.invite.to_string();
    let begin = v1::BeginEnrollmentRequest { invite_id: invite_id.clone() };
    let begun = within(ENROL, client.begin_enrollment(begin)).await?;
    expect_hub(application.hub, &begun.hub_id)?;
    let challenge = challenge(ENROL, &begun.challenge)?;
    let identity = key.verifying_key().to_bytes();
    let host_name = cut(application.host_name, MAX_HOST_NAME_BYTES);
    let claim = EnrolmentClaim {
        hub: application.hub,
        invite: application.invite,
        challenge: &challenge,
        csr: application.csr,
        identity: &identity,
        host_name,
    };
    let signature = key.sign(&proof::enrolment(&claim)).to_vec();
    let finish = v1::FinishEnrollmentRequest {
        invite_id,
        secret: Bytes::copy_from_slice(application.secret),
        challenge: begun.challenge,
        csr_der: Bytes::copy_from_slice(application.csr),
        identity_key: Bytes::copy_from_slice(&identity),
        signature: signature.into(),
        host_name: host_name.to_owned(),
        version: application.version.to_owned(),
    };
    let answer = client.finish_enrollment(finish);
    let finished = limited(ENROL, answer).await?.map_err(|status| refused_invite(&status))?;
    read_enrolled(finished.into_inner())
}

/// Proves possession of the identity key and gets a certificate for the key of a signing request.
pub(super) async fn renew(
    channel: Channel,
    member: &Membership,
    generation: u64,
    csr: Vec<u8>,
) -> Result<Renewed, Refused> {
    let mut client = EnrollmentServiceClient::new(channel)
        .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(limits::MAX_MESSAGE_BYTES);
    let node_id = member.node.to_string();
    let begin = v1::BeginRenewalRequest { node_id: node_id.clone() };
    let begun = within(RENEW, client.begin_renewal(begin)).await?;
    let challenge = challenge(RENEW, &begun.challenge)?;
    let proven = proof::renewal(member.hub, member.node, &challenge, generation, &csr);
    let finish = v1::FinishRenewalRequest {
        node_id,
        challenge: begun.challenge,
        generation,
        csr_der: csr.into(),
        signature: member.key.sign(&proven).to_vec().into(),
    };
    let answer = limited(RENEW, client.finish_renewal(finish)).await?;
    let answer = answer.map_err(|status| refused(RENEW, &status))?.into_inner();
    let issued = answer.certificate.and_then(read_certificate);
    let issued = issued.ok_or_else(|| unusable(RENEW, "the hub gave no certificate"))?;
    Ok(Renewed { generation: answer.generation, issued })
}

/// Proves possession of the identity key and gets a token.
pub(super) async fn issue_token(channel: Channel, member: &Membership) -> Result<Issued, Refused> {
    let mut client = TokenServiceClient::new(channel)
        .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(limits::MAX_MESSAGE_BYTES);
    let node_id = member.node.to_string();
    let ask = v1::RequestChallengeRequest { node_id: node_id.clone() };
    let asked = within(TOKEN, client.request_challenge(ask)).await?;
    let challenge = challenge(TOKEN, &asked.challenge)?;
    let signature = member.key.sign(&proof::token(member.hub, member.node, &challenge)).to_vec();
    let issue =
        v1::IssueTokenRequest { node_id, challenge: asked.challenge, signature: signature.into() };
    let answer = limited(TOKEN, client.issue_token(issue)).await?;
    let issued = answer.map_err(|status| refused(TOKEN, &status))?.into_inner();
    let mut token = AsciiMetadataValue::try_from(format!("Bearer {}", issued.access_token))
        .map_err(|_| unusable(TOKEN, "the access token is no header value"))?;
    token.set_sensitive(true);
    Ok(Issued { token, life_ms: issued.expires_at_ms.saturating_sub(asked.hub_time_ms) })
}

/// Registers what the node can do; the answer carries the policy.
pub(super) async fn register(
    channel: Channel,
    token: &AsciiMetadataValue,
    member: &Membership,
    version: &str,
    capabilities: Capabilities,
) -> Result<Registration> {
    let max_tasks = capabilities.max_tasks;
    let body = v1::RegistrationRequest {
        node_id: member.node.to_string(),
        version: version.to_owned(),
        capabilities: Some(capabilities.into()),
        boot_id: Bytes::copy_from_slice(member.boot.as_bytes()),
        max_tasks,
    };
    let mut client = orchestrator(channel);
    let answer = within(SYNC, client.sync_configuration(authorized(body, token))).await?;
    let policy = answer.policy.ok_or_else(|| unusable(SYNC, "the hub sent no policy"))?;
    Ok(Registration {
        policy: sealed(policy),
        heartbeat_ms: answer.heartbeat_interval_ms,
        node_name: answer.node_name,
        bundle: answer.bundle.map(SealedBundle::from),
    })
}

pub(super) fn sealed(message: v1::SignedMessage) -> Sealed {
    Sealed { envelope: message.envelope, payload: message.payload, signature: message.signature }
}

/// The seam error of a refused call of an enrolled node.
pub(super) fn call_error(operation: &'static str, status: &Status) -> Error {
    let error = from_status(operation, status);
    if status.code() == Code::PermissionDenied {
        return error
            .with_code("node_revoked")
            .with_hint("its owner locked or removed the node; it comes back once it is unlocked");
    }
    error
}

/// Waits for an answer, but not for ever.
pub(super) async fn limited<T>(
    operation: &'static str,
    call: impl Future<Output = T>,
) -> Result<T> {
    tokio::time::timeout(limits::CALL_TIMEOUT, call)
        .await
        .map_err(|_| Error::new(ErrorKind::Timeout, operation, "the hub does not answer"))
}

async fn within<T>(
    operation: &'static str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T> {
    let answer = limited(operation, call).await?;
    answer.map(Response::into_inner).map_err(|status| call_error(operation, &status))
}

pub(super) fn challenge(operation: &'static str, bytes: &[u8]) -> Result<[u8; CHALLENGE_LEN]> {
    bytes.try_into().map_err(|_| unusable(operation, "the hub's challenge does not have 32 bytes"))
}

fn expect_hub(expected: HubId, found: &str) -> Result<()> {
    if found.parse() == Ok(expected) {
        return Ok(());
    }
    let message = format!("this is hub {found:?}, but the invite is of {expected}");
    Err(Error::new(ErrorKind::Denied, ENROL, message).with_code("hub_mismatch"))
}

fn read_enrolled(answer: v1::FinishEnrollmentResponse) -> Result<Enrolled> {
    let node: NodeId =
        answer.node_id.parse().map_err(|_| unusable(ENROL, "the hub gave no node id"))?;
    let key = |bytes: &Bytes| -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(bytes.as_ref().try_into().ok()?).ok()
    };
    let task_keys: Option<Vec<VerifyingKey>> = answer.task_keys.iter().map(key).collect();
    let task_keys = task_keys.filter(|keys| !keys.is_empty());
    Ok(Enrolled {
        node,
        name: answer.node_name,
        task_keys: task_keys.ok_or_else(|| unusable(ENROL, "the hub gave no task keys"))?,
        generation: answer.generation,
        certificate: answer.certificate.and_then(read_certificate),
    })
}

fn read_certificate(wire: v1::NodeCertificate) -> Option<super::Issued> {
    let life = Duration::from_millis(u64::try_from(wire.life_ms).ok()?);
    let chain: Vec<_> = wire.chain.into_iter().map(Vec::from).collect();
    (!chain.is_empty()).then_some(super::Issued { chain, life })
}

/// Reads a refusal, with what the hub has signed about it.
pub(super) fn refused(operation: &'static str, status: &Status) -> Refused {
    let verdict = v1::SignedMessage::decode(status.details()).ok();
    let verdict = verdict.filter(|message| !message.envelope.is_empty()).map(sealed);
    Refused { error: call_error(operation, status), verdict }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, verdict: None }
    }
}

fn refused_invite(status: &Status) -> Error {
    let error = from_status(ENROL, status);
    if status.code() != Code::PermissionDenied {
        return error;
    }
    let code = match code_word(status) {
        Some("invite_expired") => "invite_expired",
        Some("invite_already_used") => "invite_already_used",
        Some("invite_withdrawn") => "invite_withdrawn",
        Some("invite_wrong_secret") => "invite_wrong_secret",
        _ => "invite_refused",
    };
    error.with_code(code).with_hint("ask for a new invite and put it into the configuration")
}

fn unusable(operation: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Internal, operation, message).with_code("bad_answer")
}

fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_cut_at_a_character() {
        assert_eq!(cut("lab-7", 255), "lab-7");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("", 5), "");
    }

    #[test]
    fn an_invite_that_is_refused_keeps_its_word() {
        let core = Error::new(ErrorKind::Denied, ENROL, "expired").with_code("invite_expired");
        let error = refused_invite(&cortex_proto::status::to_status(&core));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "invite_expired"));
        let plain = refused_invite(&Status::permission_denied("no"));
        assert_eq!(plain.code(), "invite_refused");
    }
}
