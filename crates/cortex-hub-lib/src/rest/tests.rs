//! The HTTP side against a real hub, without a socket.

mod api;
mod audit;
mod description;
mod guard;
mod login;
mod pages;
mod receipts;
mod rig;
mod socket;
mod streams;
mod work;
