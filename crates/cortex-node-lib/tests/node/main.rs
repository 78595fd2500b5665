//! A node against a hub over real TLS, HTTP/2 and signatures: every flow that crosses the wire.

mod hub;
mod link;
mod service;

mod enrolment;
mod reconnect;
mod restart;
mod signed;
mod tasks;
