//! All calls, each with its rule: the one place where both are written.

use axum::extract::Request as HttpRequest;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response as HttpResponse;
use tonic::Request;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::auth::authenticate;
use crate::hub::Hub;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Anybody: the call itself asks for a proof where one is needed.
    Anybody,
    /// A node with its access token, about itself only.
    Node,
}

/// Every call by its path. What is not here is not answered.
pub(super) const CALLS: [(&str, Rule); 13] = [
    ("/cortex.v1.AgentOrchestrator/ReportHealth", Rule::Node),
    ("/cortex.v1.AgentOrchestrator/SyncConfiguration", Rule::Node),
    ("/cortex.v1.AgentOrchestrator/TaskStream", Rule::Node),
    ("/cortex.v1.EnrollmentService/BeginEnrollment", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/BeginRenewal", Rule::Anybody),
    ("/cortex.v1.EnrollmentService/FinishEnrollment", Rule::Anybody),
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
    match verdict(&hub, &request) {
        Ok(()) => next.run(request).await,
        Err(status) => status.into_http(),
    }
}

fn verdict(hub: &Hub, request: &HttpRequest) -> Result<(), Status> {
    let path = request.uri().path();
    let rule = CALLS.iter().find(|(call, _)| *call == path).map(|(_, rule)| *rule);
    match rule {
        None => Err(Status::unimplemented("there is no such call")),
        Some(Rule::Anybody) => Ok(()),
        Some(Rule::Node) => {
            let metadata = MetadataMap::from_headers(request.headers().clone());
            let extensions = request.extensions().clone();
            authenticate(hub, &Request::from_parts(metadata, extensions, ())).map(drop)
        }
    }
}

#[cfg(test)]
mod tests;
