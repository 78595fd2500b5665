//! Who calls: the access token of a request's metadata, and the certificate of its connection.

use axum::extract::Request as HttpRequest;
use axum::middleware::Next;
use axum::response::Response as HttpResponse;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::id::NodeId;
use cortex_proto::status::to_status;
use cortex_proto::v1::enrollment_service_server::SERVICE_NAME as ENROLMENT;
use cortex_proto::v1::trust_service_server::SERVICE_NAME as TRUST;
use tonic::Extensions;
use tonic::Request;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::config::NodeTls;
use crate::hub::Hub;
use crate::hub::NodeToken;
use crate::trust::door::Door;
use crate::trust::door::Peer;

/// What a caller is told who shows no credential at all.
pub(super) const NO_CREDENTIAL: &str = "no_credential";

const OPERATION: &str = "authenticate node";

/// The node whose token the request carries.
pub(super) fn authenticate<T>(hub: &Hub, request: &Request<T>) -> Result<NodeToken, Status> {
    identify(hub, request.metadata(), request.extensions()).map_err(|error| to_status(&error))
}

/// The node whose token these are with.
pub(super) fn identify(
    hub: &Hub,
    metadata: &MetadataMap,
    extensions: &Extensions,
) -> Result<NodeToken, Error> {
    let token = metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| {
            let message = "metadata \"authorization: Bearer …\" is missing";
            Error::new(ErrorKind::Unauthenticated, OPERATION, message).with_code(NO_CREDENTIAL)
        })?;
    let token = hub.authenticate_node(token)?;
    check_certificate(hub, extensions, token.node)?;
    Ok(token)
}

/// Refuses a message that speaks for another node than the token's.
pub(super) fn expect_own(token: &NodeToken, claimed: &str) -> Result<(), Status> {
    if claimed.parse::<NodeId>() == Ok(token.node) {
        return Ok(());
    }
    Err(Status::permission_denied("the message names another node than the token"))
}

/// In `mutual`, refuses a call for a node on a connection with another one's certificate.
pub(super) fn expect_certificate<T>(
    hub: &Hub,
    request: &Request<T>,
    node: NodeId,
) -> Result<(), Status> {
    check_certificate(hub, request.extensions(), node).map_err(|error| to_status(&error))
}

fn check_certificate(hub: &Hub, extensions: &Extensions, node: NodeId) -> Result<(), Error> {
    let shown = extensions.get::<Peer>().and_then(|peer| peer.node);
    match hub.config().tls.nodes {
        NodeTls::Token => Ok(()),
        NodeTls::Mutual if shown == Some(node) => Ok(()),
        NodeTls::Mutual => {
            let message = "the connection's certificate is not this node's";
            Err(Error::new(ErrorKind::Denied, OPERATION, message).with_code("other_certificate"))
        }
    }
}

/// Answers whoever came by the door for enrolments as if there were no other services than those
/// that need neither certificate nor token.
pub(super) async fn keep_to_door(request: HttpRequest, next: Next) -> HttpResponse {
    let door = request.extensions().get::<Peer>().map_or(Door::Main, |peer| peer.door);
    let service = request.uri().path().split('/').nth(1);
    if door == Door::Enrolment && !service.is_some_and(|name| [ENROLMENT, TRUST].contains(&name)) {
        return Status::unimplemented(
            "by this server name there are enrolments and trust bundles only",
        )
        .into_http();
    }
    next.run(request).await
}
