//! The HTTP side against a real hub, without a socket.

mod api;
mod description;
mod guard;
mod login;
mod pages;
mod rig;
mod socket;
mod streams;
mod trust;
mod work;
