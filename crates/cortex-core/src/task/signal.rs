//! Signals that a running program can be sent.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $number:literal;)*) => {
        /// A signal for a running program and all of its group. Numbers are those of Linux; a node of
        /// another system sends what is called the same there.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        #[non_exhaustive]
        pub enum Signal {
            $($(#[$doc])* $name = $number,)*
        }

        impl Signal {
            /// All of them, by number.
            pub const ALL: &[Signal] = &[$(Signal::$name,)*];

            /// Its name without `SIG`, e.g. `HUP`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Signal::$name => $word,)* }
            }

            /// Its number on Linux, e.g. 1.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Signal::$name => $number,)* }
            }
        }
    };
}

signals! {
    /// The terminal is gone; for many servers: read the configuration again.
    Hup = "HUP", 1;
    /// What Ctrl-C sends.
    Int = "INT", 2;
    /// What Ctrl-\ sends.
    Quit = "QUIT", 3;
    /// Ends it at once; cannot be caught.
    Kill = "KILL", 9;
    /// Whatever the program makes of it.
    Usr1 = "USR1", 10;
    /// Whatever the program makes of it.
    Usr2 = "USR2", 12;
    /// Asks it to end.
    Term = "TERM", 15;
    /// Goes on after a stop.
    Cont = "CONT", 18;
    /// Stops it until CONT; cannot be caught.
    Stop = "STOP", 19;
    /// What Ctrl-Z sends.
    Tstp = "TSTP", 20;
}

/// The text names no signal that can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no signal that can be sent: there is {all}", all = words())]
pub struct UnknownSignal(String);

fn words() -> String {
    let words: Vec<&str> = Signal::ALL.iter().map(|signal| signal.word()).collect();
    words.join(", ")
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads `HUP`, `SIGHUP`, `hup` or `1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let word = upper.strip_prefix("SIG").unwrap_or(&upper);
        let is_named = |signal: &&Signal| {
            signal.word() == word || word.parse::<u8>().is_ok_and(|n| n == signal.number())
        };
        Self::ALL.iter().find(is_named).copied().ok_or_else(|| UnknownSignal(text.to_owned()))
    }
}

impl TryFrom<String> for Signal {
    type Error = UnknownSignal;

    fn try_from(text: String) -> Result<Self, UnknownSignal> {
        text.parse()
    }
}

impl From<Signal> for &'static str {
    fn from(signal: Signal) -> Self {
        signal.word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        for text in ["HUP", "SIGHUP", "hup", "sighup", "1", " 1 "] {
            assert_eq!(text.parse(), Ok(Signal::Hup), "{text}");
        }
        for signal in Signal::ALL {
            assert_eq!(signal.to_string().parse(), Ok(*signal));
            assert_eq!(signal.number().to_string().parse(), Ok(*signal));
        }
    }

    #[test]
    fn what_is_no_signal_is_refused_with_all_there_are() {
        for text in ["", "SIG", "0", "11", "SEGV", "-1", "256"] {
            let error = text.parse::<Signal>().unwrap_err().to_string();
            assert!(error.contains("HUP, INT, QUIT, KILL"), "{error}");
        }
    }
}
