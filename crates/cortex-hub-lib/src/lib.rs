//! The Cortex hub as a library: embed it in a Rust service, or run it with `cortex-cli`.
//!
//! [`HubBuilder`] makes a [`Hub`], the handle for everything that can be asked of it, and a
//! [`Driver`], which does its work on the listeners that you give it. [`router`] is the HTTP side as
//! an axum router, to be nested into a service of your own. [`TaskAssistant`] is the short way for
//! an AI service in the same process.
//!
//! Read in this order: `hub` (what can be asked), `dispatch` (a task's way), `link` and `inbox`
//! (the nodes), `feed` (who waits for news), `store` (what survives), `trust` (who is believed);
//! `rest`, `web` and `grpc` are the edges.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` is for tests: a release build has no places to end at");

/// Names a place at which a test may end the process; without the feature `failpoints`, nothing.
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

pub mod accounts;
pub mod assistant;
mod audit;
pub mod config;
pub mod store;
pub mod trust;

mod builder;
mod clock;
mod dispatch;
mod feed;
mod grpc;
mod hub;
mod inbox;
mod link;
mod metrics;
mod placement;
mod rest;
mod screen;
mod serve;
mod web;

pub use axum;

pub use assistant::TaskAssistant;
pub use builder::Driver;
pub use builder::HubBuilder;
pub use config::HubConfig;
pub use feed::Change;
pub use feed::Changes;
pub use feed::Frame;
pub use hub::Attached;
pub use hub::AuditReader;
pub use hub::Explanation;
pub use hub::FileReader;
pub use hub::Fitness;
pub use hub::Follow;
pub use hub::Hub;
pub use hub::InviteDraft;
pub use hub::IssuedInvite;
pub use hub::Keyboard;
pub use hub::LogReader;
pub use hub::OutputCursor;
pub use hub::OutputFollower;
pub use hub::PoolState;
pub use hub::ReceiptPart;
pub use hub::ReceiptReader;
pub use hub::SkillOffer;
pub use hub::TaskDraft;
pub use hub::TerminalReader;
pub use hub::TerminalStep;
pub use hub::TrustState;
pub use hub::Waiting;
pub use metrics::Metrics;
pub use rest::router;
pub use screen::Colour;
pub use screen::Run;
pub use screen::ScreenText;
pub use store::audit::AuditFilter;
pub use store::audit::Link as AuditLink;
