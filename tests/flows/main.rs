//! Whole flows through a hub and its nodes in one process, on real sockets and real disks.

#![expect(clippy::unwrap_used, reason = "a flow that fails shows its place")]

mod access;
mod admission;
mod certificates;
mod files;
mod handshakes;
mod identity;
mod impersonation;
mod interop;
mod pool;
mod programs;
mod receipts;
mod restart;
mod revocation;
mod rotation;
mod sandbox;
mod secrets;
mod signals;
mod skills;
mod tasks;
mod terminals;
