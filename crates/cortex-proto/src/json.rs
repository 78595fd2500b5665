//! Shapes of the REST API: what the hub answers and the command line reads.
//!
//! Times are RFC 3339 in UTC, spans are milliseconds (`_ms`), ids are prefixed texts. Requests
//! refuse unknown keys, answers may gain keys.

mod account;
mod audit;
mod delivery;
mod enrolment;
mod event;
mod mesh;
mod node;
mod placement;
mod problem;
mod secret;
mod session;
mod skill;
mod task;
mod terminal;
mod trust;

pub use account::LoginInfo;
pub use account::LoginRequest;
pub use account::LoginResponse;
pub use account::RefreshRequest;
pub use account::TokenCreated;
pub use account::TokenInfo;
pub use account::TokenRequest;
pub use account::UserInfo;
pub use account::UserPatch;
pub use account::UserRequest;
pub use audit::AuditInfo;
pub use audit::BadRecord;
pub use audit::ChainHead;
pub use audit::ExportLine;
pub use delivery::DeliveryInfo;
pub use delivery::DrainRequest;
pub use delivery::WaitInfo;
pub use enrolment::CertChallenge;
pub use enrolment::CertChallengeRequest;
pub use enrolment::CertIssued;
pub use enrolment::CertRequest;
pub use event::EventInfo;
pub use event::HubEvent;
pub use mesh::MeshHub;
pub use mesh::MeshInfo;
pub use mesh::MeshNode;
pub use mesh::MeshNodes;
pub use mesh::MeshRates;
pub use mesh::MeshSlots;
pub use mesh::MeshTasks;
pub use mesh::RateInfo;
pub use node::GrantInfo;
pub use node::GrantRequest;
pub use node::HealthInfo;
pub use node::InviteCreated;
pub use node::InviteInfo;
pub use node::InviteRequest;
pub use node::NodeInfo;
pub use node::NodePatch;
pub use node::NodeStatusInfo;
pub use placement::ExplanationInfo;
pub use placement::FitInfo;
pub use placement::ReasonInfo;
pub use problem::Problem;
pub use secret::Secret;
pub use session::SessionInfo;
pub use session::SessionRequest;
pub use skill::SkillInfo;
pub use skill::SkillPlace;
pub use task::CancelBody;
pub use task::DispatchRequest;
pub use task::FileDraft;
pub use task::FileInfo;
pub use task::GapEvent;
pub use task::GapInfo;
pub use task::OutputEvent;
pub use task::OutputInfo;
pub use task::ProgressInfo;
pub use task::SignalRequest;
pub use task::SkillCall;
pub use task::TaskInfo;
pub use task::Text;
pub use terminal::CursorInfo;
pub use terminal::RunInfo;
pub use terminal::ScreenInfo;
pub use terminal::TerminalDraft;
pub use terminal::TerminalEvent;
pub use terminal::TerminalRequest;
pub use trust::TrustInfo;
pub use trust::TrustKeyInfo;
pub use trust::TrustRequest;
pub use trust::TrustRingInfo;

use serde::Deserialize;
use serde::Serialize;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The things, in the list's order.
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What the hub is, for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HubInfo {
    /// The hub's id, `hub_…`.
    pub id: String,
    /// Version of its software.
    pub version: String,
}
