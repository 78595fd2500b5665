//! Everything of Cortex that crosses a process boundary.
//!
//! [`v1`] has the protobuf messages and gRPC services, generated from `proto/` and committed;
//! `convert` turns them into the checked values of `cortex-core` and back: what comes from outside
//! is parsed once, here. [`json`] has the shapes of the REST API, [`status`] maps seam errors to
//! gRPC and back, [`limits`] has the bounds that both sides set on their connections, [`codec`] is how
//! messages get onto them.

pub mod codec;
#[cfg(feature = "convert")]
pub mod convert;
pub mod json;
pub mod limits;
pub mod status;

/// Messages and services of the package `cortex.v1`.
#[expect(
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::pedantic,
    reason = "generated code"
)]
pub mod v1 {
    include!("generated/cortex.v1.rs");
}

/// Encoded `FileDescriptorSet` of the package, for gRPC reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor.bin");
