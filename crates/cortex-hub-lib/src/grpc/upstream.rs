//! What comes up a control stream: proof first, then news, each parsed once.

use std::time::Duration;

use cortex_core::id::BootId;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::report::Report;
use cortex_proto::convert::ConvertError;
use cortex_proto::convert::parse_ack;
use cortex_proto::convert::parse_attempt;
use cortex_proto::convert::parse_claims;
use cortex_proto::convert::parse_report;
use cortex_proto::limits::MAX_BATCH_REPORTS;
use cortex_proto::v1;
use cortex_proto::v1::node_message::Body;
use tonic::Status;
use tonic::Streaming;

use crate::hub::StreamClaim;
use crate::link::Up;

/// How long a node may take to answer the challenge.
const PROOF_LIMIT: Duration = Duration::from_secs(10);

/// Reads the first message: the proof.
pub(super) async fn read_proof(
    inbound: &mut Streaming<v1::NodeMessage>,
    nonce: [u8; CHALLENGE_LEN],
) -> Result<StreamClaim, Status> {
    let first = tokio::time::timeout(PROOF_LIMIT, inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the challenge was not answered"))??;
    let Some(Body::Proof(proof)) = first.and_then(|message| message.body) else {
        return Err(Status::invalid_argument("the first message must be the proof"));
    };
    let boot = BootId::from_slice(&proof.boot_id)
        .ok_or_else(|| Status::invalid_argument("proof.boot_id: 16 bytes are expected"))?;
    Ok(StreamClaim {
        nonce,
        boot,
        generation: proof.generation,
        signature: proof.signature.to_vec(),
    })
}

/// Reads one message after the proof; `None` for what this hub does not use yet.
pub(super) fn parse(message: v1::NodeMessage) -> Result<Option<Up>, ConvertError> {
    let Some(body) = message.body else { return Err(ConvertError::Missing("body")) };
    Ok(match body {
        Body::Reports(batch) => Some(Up::Reports(parse_batch(batch)?)),
        Body::Inventory(inventory) => {
            let known: Result<_, _> = inventory.attempts.iter().map(parse_attempt).collect();
            Some(Up::Inventory(known?))
        }
        Body::InputAck(acks) => {
            let given: Result<_, _> = acks.attempts.iter().map(parse_ack).collect();
            Some(Up::Given(given?))
        }
        Body::Adopted(adopted) => Some(Up::Adopted(adopted.serial)),
        Body::Leaving(leaving) => Some(Up::Leaving(leaving.reason)),
        Body::Proof(_) => {
            let reason = "comes once, as the first message".to_owned();
            return Err(ConvertError::Bad { field: "proof", reason });
        }
        Body::TaskClaim(claim) => Some(Up::Claims(parse_claims(&claim)?)),
        Body::FileSync(_) | Body::BrowserEvent(_) => None,
    })
}

fn parse_batch(batch: v1::ReportBatch) -> Result<Vec<Report>, ConvertError> {
    if batch.reports.len() > MAX_BATCH_REPORTS {
        let reason = format!("{} reports, at most {MAX_BATCH_REPORTS}", batch.reports.len());
        return Err(ConvertError::Bad { field: "reports", reason });
    }
    batch.reports.into_iter().map(parse_report).collect()
}
