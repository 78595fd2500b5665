//! Who calls: the access token of a request's metadata.

use cortex_core::id::NodeId;
use cortex_proto::status::to_status;
use tonic::Request;
use tonic::Status;

use crate::hub::Hub;
use crate::hub::NodeToken;

/// The node whose token the request carries.
pub(super) fn authenticate<T>(hub: &Hub, request: &Request<T>) -> Result<NodeToken, Status> {
    let token = request
        .metadata()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| {
            Status::unauthenticated("metadata \"authorization: Bearer …\" is missing")
        })?;
    hub.authenticate_node(token).map_err(|error| to_status(&error))
}

/// Refuses a message that speaks for another node than the token's.
pub(super) fn expect_own(token: &NodeToken, claimed: &str) -> Result<(), Status> {
    if claimed.parse::<NodeId>() == Ok(token.node) {
        return Ok(());
    }
    Err(Status::permission_denied("the message names another node than the token"))
}
