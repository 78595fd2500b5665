//! Trust bundles for whoever asks: they are public, and prove themselves.

use cortex_proto::v1;
use cortex_proto::v1::trust_service_server::TrustService;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::enrollment::parse_node;
use crate::hub::Hub;

#[derive(Debug)]
pub(super) struct Trust {
    hub: Hub,
}

impl Trust {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

#[tonic::async_trait]
impl TrustService for Trust {
    async fn get_bundle(
        &self,
        request: Request<v1::GetBundleRequest>,
    ) -> Result<Response<v1::GetBundleResponse>, Status> {
        let node = parse_node(&request.get_ref().node_id)?;
        let bundle = self.hub.trust().signer().follow(node).bundle();
        Ok(Response::new(v1::GetBundleResponse { bundle: Some(bundle.into()) }))
    }
}
