//! The tables as sea-orm sees them.
//!
//! Types are those that SQLite and PostgreSQL share: identifiers are 16 bytes, digests 32, times
//! are milliseconds since the epoch in 64 bits, JSON is text or bytes that the database does not
//! look into.

pub(crate) mod account;
pub(crate) mod api_token;
pub(crate) mod audit;
pub(crate) mod invite;
pub(crate) mod login;
pub(crate) mod login_code;
pub(crate) mod node;
pub(crate) mod output_chunk;
pub(crate) mod presence;
pub(crate) mod repeat;
pub(crate) mod session;
pub(crate) mod session_log;
pub(crate) mod setting;
pub(crate) mod task;
pub(crate) mod task_secret;
pub(crate) mod task_spec;
