//! The contracts of the seams: a suite for each trait that every backend passes, ours or yours.

#[cfg(test)]
mod fault;
pub mod mirror;
mod promise;
pub mod registry;
pub mod session;

pub use mirror::mirror_store;
pub use registry::node_registry;
pub use registry::node_registry_reopened;
pub use session::session_store;
pub use session::session_store_reopened;
