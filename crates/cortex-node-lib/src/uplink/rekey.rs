//! Replaces the node's identity key on the hub, by the hub's door for enrolments.

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::bundle::Bundle;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::proof;
use cortex_proto::limits;
use cortex_proto::status::code_word;
use cortex_proto::status::from_status;
use cortex_proto::v1;
use cortex_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use tonic::Code;
use tonic::Status;
use tonic::transport::Channel;

use super::Destination;
use super::Sealed;
use super::calls;
use super::connect;
use super::connect::Door;
use super::now;
use super::pin::Roots;

const REKEY: &str = "replace identity key";

/// A change of the identity key.
#[derive(Clone, Copy)]
pub(crate) struct Rekey<'a> {
    /// The hub that the node belongs to.
    pub(crate) hub: HubId,
    /// The node.
    pub(crate) node: NodeId,
    /// The key that counts.
    pub(crate) old: &'a SigningKey,
    /// The one that is to take its place.
    pub(crate) new: &'a SigningKey,
}

/// What a change has come to.
#[derive(Debug)]
pub(crate) enum Rekeyed {
    /// The new key counts.
    Done,
    /// The hub will not have it, now or later, and has changed nothing.
    Declined(Error),
    /// The hub has removed the node, and says so with its signature.
    Removed,
}

/// Asks the hub once, as the bundle or else the configuration knows it; asked again with the same
/// keys, it is the same change. `is_removal` says whether
/// a signed refusal is the hub's own word that the node was removed.
///
/// # Errors
/// Nobody knows whether the key was replaced; or the node is locked.
pub(crate) async fn rekey(
    destination: &Destination,
    bundle: Option<&Bundle>,
    change: Rekey<'_>,
    is_removal: impl Fn(Sealed) -> bool,
) -> Result<Rekeyed> {
    let roots = Roots::of(bundle, destination, now())?;
    let channel = connect::dial(destination, roots, Door::Enrolment).await?;
    let Err(status) = ask(channel, change).await? else { return Ok(Rekeyed::Done) };
    if let Some(code) = final_code(&status) {
        return Ok(Rekeyed::Declined(from_status(REKEY, &status).with_code(code)));
    }
    let refused = calls::refused(REKEY, &status);
    if refused.verdict.is_some_and(is_removal) {
        return Ok(Rekeyed::Removed);
    }
    Err(refused.error)
}

/// What the hub answers to a change, if it says anything.
async fn ask(channel: Channel, change: Rekey<'_>) -> Result<Result<(), Status>> {
    let Rekey { hub, node, old, new } = change;
    let mut client = EnrollmentServiceClient::new(channel)
        .max_decoding_message_size(limits::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(limits::MAX_MESSAGE_BYTES);
    let node_id = node.to_string();
    let begin = v1::BeginRekeyRequest { node_id: node_id.clone() };
    let begun = match calls::limited(REKEY, client.begin_rekey(begin)).await? {
        Ok(begun) => begun.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    let challenge = calls::challenge(REKEY, &begun.challenge)?;
    let keys = [old, new].map(|key| key.verifying_key().to_bytes());
    let proven = proof::identity_change(hub, node, &challenge, &keys[0], &keys[1]);
    let signatures = [old, new].map(|key| Bytes::from(key.sign(&proven).to_vec()));
    let [old_signature, new_signature] = signatures;
    let [old_key, new_key] = keys.map(|key| Bytes::copy_from_slice(&key));
    let finish = v1::FinishRekeyRequest {
        node_id,
        challenge: begun.challenge,
        old_key,
        new_key,
        old_signature,
        new_signature,
    };
    let answer = calls::limited(REKEY, client.finish_rekey(finish)).await?;
    Ok(answer.map(drop))
}

/// The word of an answer by which the hub has not changed the key, and never will for these two.
fn final_code(status: &Status) -> Option<&'static str> {
    match code_word(status) {
        Some("identity_reused") => Some("identity_reused"),
        Some("too_many_identity_keys") => Some("too_many_identity_keys"),
        _ => (status.code() == Code::Unimplemented).then_some("hub_too_old"),
    }
}
