//! The life of a key that is replaced without stopping work: prepared, active, retiring, tainted,
//! gone.
//!
//! A [`Ring`] holds the keys of one purpose: always exactly one active key, and beside it at most
//! one other, either the next or the former. What cannot be is not representable, so there is
//! nothing to check afterwards. Each act makes a new ring and leaves the old one as it is, so that
//! a caller can store the new one before anybody sees it.
//!
//! ```text
//!           prepare          activate            taint               revoke
//!  active ──────────▶ next ──────────▶ retiring ──────▶ tainted ──────────────▶ active
//!         ◀──────────      ◀──────────                     │    (by itself, at the end)
//!           rollback         rollback ◀────────────────────┘ rollback, until the end
//! ```

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::timestamp::Timestamp;

/// Where a key stands in its life. A key that was revoked is in no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Accepted, and not used yet: everybody is to know it before it is.
    Prepared,
    /// Accepted and used.
    Active,
    /// Accepted, and not used any more; can be put back.
    Retiring,
    /// Accepted until then, and not used any more; can be put back until then.
    Tainted {
        /// The first moment at which it is not accepted.
        until: Timestamp,
    },
}

/// What can be done with a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Make the next key and let everybody know it.
    Prepare,
    /// Use the next key; the active one retires.
    Activate,
    /// Set an end to the time for which the retiring key is accepted.
    Taint,
    /// Accept the tainted key no more, for ever.
    Revoke,
    /// Take back the last step.
    Rollback,
}

/// Why something cannot be done with a ring as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misstep {
    /// There is a next key already.
    #[error("the next key is prepared already")]
    Prepared,
    /// The rotation before this one is not over.
    #[error("the former key is not revoked yet")]
    Unfinished,
    /// There is no next key.
    #[error("no next key is prepared")]
    NothingPrepared,
    /// There is no retiring key.
    #[error("no key is retiring")]
    NothingRetiring,
    /// There is no tainted key.
    #[error("no key is tainted")]
    NothingTainted,
    /// The tainted key's time is not over.
    #[error("the tainted key is accepted until {until}")]
    StillAccepted {
        /// When it is over.
        until: Timestamp,
    },
    /// The ring has one key only.
    #[error("there is nothing to take back")]
    NothingToTakeBack,
    /// The tainted key's time is over.
    #[error("the tainted key is not accepted any more")]
    TooLate,
}

/// The text names no act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is none of prepare, activate, taint, revoke and rollback")]
pub struct ParseActError;

/// The keys of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring<K> {
    active: K,
    beside: Beside<K>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Beside<K> {
    Nothing,
    Prepared { key: K },
    Retiring { key: K },
    Tainted { key: K, until: Timestamp },
}

impl Phase {
    /// Whether a key in this phase is accepted at `now`.
    #[must_use]
    pub fn is_accepted(self, now: Timestamp) -> bool {
        match self {
            Phase::Prepared | Phase::Active | Phase::Retiring => true,
            Phase::Tainted { until } => now < until,
        }
    }

    /// The word of the API and of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::Prepared => "prepared",
            Phase::Active => "active",
            Phase::Retiring => "retiring",
            Phase::Tainted { .. } => "tainted",
        }
    }
}

impl Act {
    /// All of them, in the order of a key's life.
    pub const ALL: [Act; 5] = [Act::Prepare, Act::Activate, Act::Taint, Act::Revoke, Act::Rollback];

    /// The word of the API and of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Act::Prepare => "prepare",
            Act::Activate => "activate",
            Act::Taint => "taint",
            Act::Revoke => "revoke",
            Act::Rollback => "rollback",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Act {
    type Err = ParseActError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|act| act.word() == text).ok_or(ParseActError)
    }
}

impl<K> Ring<K> {
    /// A ring with one key.
    #[must_use]
    pub const fn new(active: K) -> Self {
        Self { active, beside: Beside::Nothing }
    }

    /// The key that is used.
    #[must_use]
    pub fn active(&self) -> &K {
        &self.active
    }

    /// All keys with their phases, the active one first.
    pub fn members(&self) -> impl Iterator<Item = (&K, Phase)> {
        let beside = match &self.beside {
            Beside::Nothing => None,
            Beside::Prepared { key } => Some((key, Phase::Prepared)),
            Beside::Retiring { key } => Some((key, Phase::Retiring)),
            Beside::Tainted { key, until } => Some((key, Phase::Tainted { until: *until })),
        };
        std::iter::once((&self.active, Phase::Active)).chain(beside)
    }

    /// The keys that are accepted at `now`, the active one first.
    pub fn accepted(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        self.members().filter(move |(_, phase)| phase.is_accepted(now)).map(|(key, _)| key)
    }

    /// What a rotation does next.
    #[must_use]
    pub fn next_act(&self) -> Act {
        match self.beside {
            Beside::Nothing => Act::Prepare,
            Beside::Prepared { .. } => Act::Activate,
            Beside::Retiring { .. } => Act::Taint,
            Beside::Tainted { .. } => Act::Revoke,
        }
    }

    /// The end of the tainted key's time, if there is a tainted key.
    #[must_use]
    pub fn tainted_until(&self) -> Option<Timestamp> {
        match self.beside {
            Beside::Tainted { until, .. } => Some(until),
            _ => None,
        }
    }

    /// The same ring with other names for its keys.
    ///
    /// # Errors
    /// The first error of `name`.
    pub fn try_map<L, E>(&self, mut name: impl FnMut(&K) -> Result<L, E>) -> Result<Ring<L>, E> {
        let active = name(&self.active)?;
        let beside = match &self.beside {
            Beside::Nothing => Beside::Nothing,
            Beside::Prepared { key } => Beside::Prepared { key: name(key)? },
            Beside::Retiring { key } => Beside::Retiring { key: name(key)? },
            Beside::Tainted { key, until } => Beside::Tainted { key: name(key)?, until: *until },
        };
        Ok(Ring { active, beside })
    }
}

impl<K: Clone> Ring<K> {
    /// Lets `next` be known.
    ///
    /// # Errors
    /// [`Misstep::Prepared`], [`Misstep::Unfinished`].
    pub fn prepare(&self, next: K) -> Result<Self, Misstep> {
        match self.beside {
            Beside::Nothing => Ok(self.with(Beside::Prepared { key: next })),
            Beside::Prepared { .. } => Err(Misstep::Prepared),
            Beside::Retiring { .. } | Beside::Tainted { .. } => Err(Misstep::Unfinished),
        }
    }

    /// Uses the next key; the active one retires.
    ///
    /// # Errors
    /// [`Misstep::NothingPrepared`].
    pub fn activate(&self) -> Result<Self, Misstep> {
        match &self.beside {
            Beside::Prepared { key } => Ok(Self {
                active: key.clone(),
                beside: Beside::Retiring { key: self.active.clone() },
            }),
            _ => Err(Misstep::NothingPrepared),
        }
    }

    /// Sets an end to the retiring key's time.
    ///
    /// # Errors
    /// [`Misstep::NothingRetiring`].
    pub fn taint(&self, until: Timestamp) -> Result<Self, Misstep> {
        match &self.beside {
            Beside::Retiring { key } => Ok(self.with(Beside::Tainted { key: key.clone(), until })),
            _ => Err(Misstep::NothingRetiring),
        }
    }

    /// Drops the tainted key: once its time is over, or at once where `early` says so.
    ///
    /// # Errors
    /// [`Misstep::NothingTainted`], [`Misstep::StillAccepted`].
    pub fn revoke(&self, now: Timestamp, early: bool) -> Result<Self, Misstep> {
        match self.beside {
            Beside::Tainted { until, .. } if now < until && !early => {
                Err(Misstep::StillAccepted { until })
            }
            Beside::Tainted { .. } => Ok(self.with(Beside::Nothing)),
            _ => Err(Misstep::NothingTainted),
        }
    }

    /// Takes back the last step: the former key is active again and the one that followed it is
    /// prepared; a prepared key is dropped.
    ///
    /// # Errors
    /// [`Misstep::NothingToTakeBack`]; [`Misstep::TooLate`] once the former key is not accepted.
    pub fn rollback(&self, now: Timestamp) -> Result<Self, Misstep> {
        match &self.beside {
            Beside::Nothing => Err(Misstep::NothingToTakeBack),
            Beside::Prepared { .. } => Ok(self.with(Beside::Nothing)),
            Beside::Tainted { until, .. } if now >= *until => Err(Misstep::TooLate),
            Beside::Retiring { key } | Beside::Tainted { key, .. } => Ok(Self {
                active: key.clone(),
                beside: Beside::Prepared { key: self.active.clone() },
            }),
        }
    }

    fn with(&self, beside: Beside<K>) -> Self {
        Self { active: self.active.clone(), beside }
    }
}

#[cfg(test)]
mod tests;
