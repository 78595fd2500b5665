//! The program of the task with many readers: a line every ten milliseconds.

use std::io::Write as _;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Result;

/// The argument that makes this program the ticker.
pub(crate) const ROLE: &str = "--role-ticker";

/// Lines in a second.
pub(crate) const PER_SECOND: u32 = 100;

/// Writes lines with the time, until nobody takes them.
#[expect(clippy::disallowed_methods, reason = "it is a program of its own, and has one thread")]
pub(crate) fn run() -> Result<()> {
    let (begun, mut out) = (Instant::now(), std::io::stdout().lock());
    for number in 0_u32.. {
        let due = Duration::from_secs(1) / PER_SECOND * number;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        writeln!(out, "tick {number:08} at {:020}", now_micros())?;
        out.flush()?;
    }
    Ok(())
}

/// Microseconds since 1970.
pub(crate) fn now_micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}
