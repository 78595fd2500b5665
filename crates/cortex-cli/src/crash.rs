//! Ends the process at a named place, as `kill -9` would. Only where the feature `failpoints` is on.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use rustix::process::Signal;

/// Says where: `NAME:N` is the N-th time that the place `NAME` is passed.
const VARIABLE: &str = "CORTEX_CRASH";

/// Arms the place that [`VARIABLE`] names.
///
/// # Panics
/// The variable makes no sense: a test that crashes nothing would prove nothing.
pub(crate) fn arm() {
    let Ok(wish) = std::env::var(VARIABLE) else { return };
    let (name, time) = wish.rsplit_once(':').expect("CORTEX_CRASH is NAME:N");
    let left = AtomicU64::new(time.parse().expect("CORTEX_CRASH is NAME:N"));
    let pass = move || {
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            die();
        }
    };
    fail::cfg_callback(name, pass).expect("a place takes one action");
}

/// Sends KILL to this process, and goes no further.
fn die() {
    // It cannot fail for a process of one's own, and if it did, the test would see it live on.
    let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}
