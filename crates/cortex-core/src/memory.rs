//! Strict backends in memory, one for each seam.

mod mirror;
mod registry;
mod session;

pub use mirror::MemoryMirrorStore;
pub use registry::MemoryNodeRegistry;
pub use session::MemorySessionStore;
