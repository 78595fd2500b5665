//! The gRPC side: what nodes dial. Wire types end here.

mod auth;
mod downstream;
mod enrollment;
mod orchestrator;
mod plan;
mod table;
mod tokens;
mod trust;
mod upstream;

use std::sync::Arc;

use axum::middleware::from_fn;
use axum::middleware::from_fn_with_state;
use cortex_proto::DESCRIPTOR_SET;
use cortex_proto::limits::MAX_MESSAGE_BYTES;
use cortex_proto::v1::agent_orchestrator_server::AgentOrchestratorServer;
use cortex_proto::v1::enrollment_service_server::EnrollmentServiceServer;
use cortex_proto::v1::token_service_server::TokenServiceServer;
use cortex_proto::v1::trust_service_server::TrustServiceServer;
use tonic::service::Routes;

use crate::grpc::enrollment::Enrollment;
use crate::grpc::orchestrator::Orchestrator;
use crate::grpc::plan::Plan;
use crate::grpc::tokens::Tokens;
use crate::grpc::trust::Trust;
use crate::hub::Hub;

/// All services that nodes use, with gRPC health and reflection.
pub(crate) async fn routes(hub: &Hub) -> cortex_core::Result<Routes> {
    let plan = Arc::new(Plan::of(&hub.config().policy, Arc::clone(hub.trust().sealer())));
    let orchestrator =
        AgentOrchestratorServer::new(Orchestrator::new(hub.clone(), Arc::clone(&plan)))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let enrollment = EnrollmentServiceServer::new(Enrollment::new(hub.clone(), Arc::clone(&plan)))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let tokens = TokenServiceServer::new(Tokens::new(hub.clone(), plan))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let trust = TrustServiceServer::new(Trust::new(hub.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<AgentOrchestratorServer<Orchestrator>>().await;
    reporter.set_serving::<EnrollmentServiceServer<Enrollment>>().await;
    reporter.set_serving::<TokenServiceServer<Tokens>>().await;
    reporter.set_serving::<TrustServiceServer<Trust>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| {
            cortex_core::Error::new(
                cortex_core::ErrorKind::Internal,
                "build gRPC services",
                "the descriptors cannot be read",
            )
            .with_source(error)
        })?;
    let all = Routes::new(orchestrator)
        .add_service(enrollment)
        .add_service(tokens)
        .add_service(trust)
        .add_service(health)
        .add_service(reflection)
        .into_axum_router();
    // The last layer is asked first: which door, then who.
    let all = all.layer(from_fn_with_state(hub.clone(), table::enforce));
    Ok(all.layer(from_fn(auth::keep_to_door)).into())
}
