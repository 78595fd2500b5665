//! All calls, each with its rule: the one place where both are written.

use axum::extract::Request as HttpRequest;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response as HttpResponse;
use cortex_core::audit::Action;
use cortex_proto::status::to_status;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::auth::NO_CREDENTIAL;
use super::auth::identify;
use crate::audit::Origin;
use crate::audit::acting;
use crate::hub::Hub;
use crate::trust::door::Peer;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Anybody: the call itself asks for a proof where one is needed.
    Anybody,
    /// A node with its access token, about itself only.
    Node,
}

/// Every call by its path. What is not here is not answered.
pub(super) const CALLS: [(&str, Rule); 15] = [
    ("/cortex.v1.AgentOrchestrator/ReportHealth", Rule::Node),
    ("/cortex.v1.AgentOrchestrator/SyncConfiguration", Rule::Node),
    ("/cortex.v1.AgentOrchestrator/TaskStream", Rule::Node),
    ("/cortex.v1.EnrollmentService/BeginEnrollment", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/BeginRekey", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/BeginRenewal", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/FinishEnrollment", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/FinishRekey", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/FinishRenewal", Rule::Anybody),
    ("/cortex.v1.TokenService/IssueToken", Rule::Anybody),
    ("/cortex.v1.TokenService/RequestChallenge", Rule::Anybody),
    ("/cortex.v1.TrustService/GetBundle", Rule::Anybody),
    ("/grpc.health.v1.Health/Check", Rule::Anybody),
    ("/grpc.health.v1.Health/Watch", Rule::Anybody),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Rule::Anybody),
];

/// Applies a call's rule before anything else looks at the call.
pub(super) async fn enforce(
    State(hub): State<Hub>,
    request: HttpRequest,
    next: Next,
) -> HttpResponse {
    let path = request.uri().path();
    let rule = CALLS.iter().find(|(call, _)| *call == path).map(|(_, rule)| *rule);
    let refused = match rule {
        None => return Status::unimplemented("there is no such call").into_http(),
        Some(Rule::Anybody) => None,
        Some(Rule::Node) => {
            let metadata = MetadataMap::from_headers(request.headers().clone());
            identify(&hub, &metadata, request.extensions()).err()
        }
    };
    let address = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
    let origin = Origin { credential: None, address };
    let Some(error) = refused else { return acting(origin, next.run(request)).await };
    // A credential that is no good is worth a record; that there was none is not.
    if error.code() != NO_CREDENTIAL {
        acting(origin, hub.refused(Action::AccessRefuse, &error)).await;
    }
    to_status(&error).into_http()
}

#[cfg(test)]
mod tests;
