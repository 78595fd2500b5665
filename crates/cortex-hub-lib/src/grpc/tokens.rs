//! Access tokens for enrolled nodes.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::id::NodeId;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_proto::convert::ControlAct;
use cortex_proto::convert::ControlOrder;
use cortex_proto::status::to_status;
use cortex_proto::v1;
use cortex_proto::v1::token_service_server::TokenService;
use prost::Message as _;
use secrecy::ExposeSecret as _;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::auth::expect_certificate;
use super::enrollment::parse_bytes;
use super::enrollment::parse_node;
use super::plan::Plan;
use crate::clock;
use crate::hub::Hub;

#[derive(Debug)]
pub(super) struct Tokens {
    hub: Hub,
    plan: Arc<Plan>,
}

impl Tokens {
    pub(super) fn new(hub: Hub, plan: Arc<Plan>) -> Self {
        Self { hub, plan }
    }

    /// The answer to a node that gets no token. One that was removed is told so with a signature, so
    /// that it may believe it.
    fn refusal(&self, node: NodeId, error: &Error) -> Status {
        let status = to_status(error);
        if error.code() != "node_retired" {
            return status;
        }
        let signer = self.hub.trust().signer().for_node(node);
        let order =
            ControlOrder { act: ControlAct::Deregister, reason: error.message().to_owned() };
        let details = self.plan.sign_control(&signer, (0, 1), order, clock::now()).encode_to_vec();
        let (code, words) = (status.code(), status.message().to_owned());
        let metadata = status.metadata().clone();
        Status::with_details_and_metadata(code, words, details.into(), metadata)
    }
}

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn request_challenge(
        &self,
        request: Request<v1::RequestChallengeRequest>,
    ) -> Result<Response<v1::RequestChallengeResponse>, Status> {
        let node = parse_node(&request.get_ref().node_id)?;
        expect_certificate(&self.hub, &request, node)?;
        let challenge = self.hub.token_challenge(node).map_err(|e| to_status(&e))?;
        Ok(Response::new(v1::RequestChallengeResponse {
            challenge: challenge.to_vec().into(),
            hub_time_ms: clock::now().as_millis(),
        }))
    }

    async fn issue_token(
        &self,
        request: Request<v1::IssueTokenRequest>,
    ) -> Result<Response<v1::IssueTokenResponse>, Status> {
        let node = parse_node(&request.get_ref().node_id)?;
        expect_certificate(&self.hub, &request, node)?;
        let wire = request.into_inner();
        let challenge = parse_bytes::<CHALLENGE_LEN>("challenge", &wire.challenge)?;
        let issued = self
            .hub
            .issue_token(node, &challenge, &wire.signature)
            .await
            .map_err(|error| self.refusal(node, &error))?;
        Ok(Response::new(v1::IssueTokenResponse {
            access_token: issued.token.expose_secret().to_owned(),
            expires_at_ms: issued.expires_at.as_millis(),
        }))
    }
}
