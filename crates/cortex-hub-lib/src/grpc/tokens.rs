//! Access tokens for enrolled nodes.

use std::sync::Arc;

use cortex_core::proof::CHALLENGE_LEN;
use cortex_proto::status::to_status;
use cortex_proto::v1;
use cortex_proto::v1::token_service_server::TokenService;
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
            .map_err(|error| self.plan.refusal(&self.hub, node, &error))?;
        Ok(Response::new(v1::IssueTokenResponse {
            access_token: issued.token.expose_secret().to_owned(),
            expires_at_ms: issued.expires_at.as_millis(),
        }))
    }
}
