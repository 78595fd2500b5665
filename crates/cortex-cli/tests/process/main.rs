//! The programs as people run them: a hub and nodes as processes of their own, and what is left of
//! the work when they are killed, frozen, or given bad input.

mod bombs;
mod control;
mod files;
mod history;
mod http;
mod identity;
mod input;
mod kill;
mod kills;
mod load;
mod partition;
mod presence;
mod proxy;
mod random;
mod rig;
mod screen;
mod script;
mod seat;
mod secrets;
mod shell;
mod store_faults;
mod work;
