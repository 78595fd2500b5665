//! The HTTP side against a real hub, without a socket.

mod api;
mod audit;
mod control;
mod copies;
mod description;
mod enrolment;
mod files;
mod grants;
mod guard;
mod login;
mod output;
mod pages;
mod placement;
mod receipts;
mod rig;
mod secrets;
mod socket;
mod strangers;
mod streams;
mod terminal;
mod trust;
mod work;
