//! A node against a hub over real TLS, HTTP/2 and signatures: every flow that crosses the wire.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod hub;
mod link;
mod service;

mod enrolment;
mod input;
mod reconnect;
mod rekey;
mod removal;
mod restart;
mod signed;
mod tasks;
