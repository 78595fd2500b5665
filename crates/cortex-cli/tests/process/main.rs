//! The programs as people run them: a hub and nodes as processes of their own, and what is left of
//! the work when they are killed, frozen, or given bad input.

mod identity;
mod input;
mod kill;
mod presence;
mod pressure;
mod rig;
mod secrets;
mod shell;
mod work;
