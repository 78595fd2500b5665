//! The programs as people run them: a hub and nodes as processes of their own, and what is left of
//! the work when they are killed, frozen, or given bad input.

mod bombs;
mod browser;
mod control;
mod crowd;
mod files;
mod floods;
mod footing;
mod history;
mod hogs;
mod http;
mod identity;
mod input;
mod kill;
mod kills;
mod load;
mod pages;
mod partition;
mod presence;
mod pressure;
mod proxy;
mod random;
mod readers;
mod rig;
mod screen;
mod script;
mod seat;
mod secrets;
mod shell;
mod store_faults;
mod wire;
mod work;
