//! A node as the hub knows it: who owns it, what it can do, and whether it is there.

mod identity;
mod join;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::capability::Capabilities;
use crate::id::BootId;
use crate::id::NodeId;
use crate::id::UserId;
use crate::timestamp::Timestamp;

pub use identity::FormerKey;
pub use identity::IdentityKey;
pub use identity::MAX_IDENTITY_KEYS;
pub use identity::Rekey;
pub use join::JoinState;
pub use join::Renewal;
pub use join::Stale;
pub use join::Suspicion;

/// Time between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// A node that has been silent for longer than this (2.5 heartbeats) counts as offline.
pub const PRESENCE_TTL: Duration = Duration::from_millis(12_500);

/// Users with whom one node can be shared.
pub const MAX_GRANTS: usize = 1_000;

/// Slots of a node that does not say how many it has.
pub const UNSTATED_SLOTS: u32 = 64;

/// An enrolled node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name on the wire; chosen by the hub, never used twice.
    pub id: NodeId,
    /// Its name for people; unique among its owner's nodes.
    pub name: String,
    /// Whose it is.
    pub owner: UserId,
    /// With whom its owner shares it, and for what.
    #[serde(default)]
    pub grants: BTreeMap<UserId, Grant>,
    /// The Ed25519 key with which it proves who it is.
    pub identity: [u8; 32],
    /// The keys that it had before this one, the oldest first.
    #[serde(default)]
    pub former_keys: Vec<FormerKey>,
    /// Labels given by its owner.
    pub labels: BTreeMap<String, String>,
    /// Whether it may connect and work.
    pub admission: Admission,
    /// Why the hub itself locked it; `None` unless it did and it is still locked.
    pub suspicion: Option<Suspicion>,
    /// Tells it from a copy of it.
    pub join: JoinState,
    /// New tasks go elsewhere; running ones finish.
    pub cordoned: bool,
    /// What it said about itself when it last connected.
    pub capabilities: Option<Capabilities>,
    /// The version of its software.
    pub version: String,
    /// When it enrolled.
    pub enrolled_at: Timestamp,
    /// Whether it is there.
    pub presence: Presence,
}

/// What somebody may do with a node that is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Grant {
    /// See it, attach it to sessions of their own, run tasks on it.
    Use,
    /// Also rename, label, cordon and lock it; not remove it, and not share it.
    Manage,
}

/// Whether a node may connect and work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Admission {
    /// It may.
    Active,
    /// Not until an owner unlocks it.
    Locked,
    /// Never again: it was removed.
    Retired,
}

/// Whether a node is there, told apart by the epoch of its control stream.
///
/// Each opened stream gets the next epoch; what an older stream still says is refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Presence {
    /// Counts the streams that the node has opened; 0 before the first.
    pub epoch: u64,
    /// The stream of that epoch is open.
    pub open: bool,
    /// The run of the node's process that opened it.
    pub boot: Option<BootId>,
    /// When the stream was opened, or closed.
    pub since: Option<Timestamp>,
    /// When the node was last heard of.
    pub last_seen: Option<Timestamp>,
    /// Its last report.
    pub health: Option<Health>,
}

/// Load and room of a node's machine, measured by the node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Share of all cores in use since the last report, 0–100.
    pub cpu_percent: f32,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory of the machine, in bytes.
    pub memory_total: u64,
    /// Free bytes on the disk that holds the node's data.
    pub disk_free: u64,
    /// Size of that disk, in bytes.
    pub disk_total: u64,
    /// Load average over one minute.
    pub load_one: f32,
    /// Tasks that run now.
    pub tasks_running: u32,
}

/// What people see of a node's state; computed here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// ○ Enrolled, never connected.
    Pending,
    /// ● Connected and heard of.
    Online,
    /// ■ Not connected, or silent.
    Offline,
    /// ⊘ Locked or removed.
    Revoked,
}

impl Grant {
    /// The word of the wire and of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Grant::Use => "use",
            Grant::Manage => "manage",
        }
    }
}

impl Status {
    /// The word of the wire and of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Online => "online",
            Status::Offline => "offline",
            Status::Revoked => "revoked",
        }
    }

    /// The sign beside the word.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Status::Pending => '○',
            Status::Online => '●',
            Status::Offline => '■',
            Status::Revoked => '⊘',
        }
    }
}

impl Node {
    /// How many tasks it runs at once, as far as it said so.
    #[must_use]
    pub fn slots(&self) -> u32 {
        let stated = self.capabilities.as_ref().map_or(0, |stated| stated.max_tasks);
        if stated == 0 { UNSTATED_SLOTS } else { stated }
    }

    /// Whether it takes part in the work pool: a node that states its slots claims what it is
    /// offered. To others tasks are sent without asking.
    #[must_use]
    pub fn claims(&self) -> bool {
        self.capabilities.as_ref().is_some_and(|stated| stated.max_tasks > 0)
    }

    /// What people see of it at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if self.admission != Admission::Active {
            return Status::Revoked;
        }
        self.presence.status(now)
    }
}

impl Presence {
    /// Online, offline or never seen at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if self.epoch == 0 {
            return Status::Pending;
        }
        let is_fresh = self.last_seen.is_some_and(|seen| now.since(seen) <= PRESENCE_TTL);
        if self.open && is_fresh { Status::Online } else { Status::Offline }
    }

    /// Moves by one sighting; every backend calls this and stores the result.
    ///
    /// # Errors
    /// [`Fenced`]: the sighting is of an older stream than the newest.
    pub fn apply(&mut self, sighting: &Sighting, now: Timestamp) -> Result<(), Fenced> {
        match sighting {
            Sighting::Opened { boot, .. } => {
                self.epoch += 1;
                self.open = true;
                self.boot = Some(*boot);
                self.since = Some(now);
                self.last_seen = Some(now);
            }
            Sighting::Described { .. } => self.last_seen = Some(now),
            Sighting::Beat { epoch, health } => {
                self.expect_epoch(*epoch)?;
                self.last_seen = Some(now);
                self.health = Some(health.clone());
            }
            Sighting::Closed { epoch } => {
                self.expect_epoch(*epoch)?;
                if self.open {
                    self.open = false;
                    self.since = Some(now);
                }
            }
        }
        Ok(())
    }

    fn expect_epoch(&self, found: u64) -> Result<(), Fenced> {
        if found == self.epoch { Ok(()) } else { Err(Fenced { found, current: self.epoch }) }
    }
}

/// What the hub sees of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// It opened a control stream; the stream gets the next epoch.
    Opened {
        /// The run of its process.
        boot: BootId,
        /// What it says about itself.
        capabilities: Option<Capabilities>,
        /// Its software's version.
        version: String,
    },
    /// It said what it is, before it opens a stream or while one is open.
    Described {
        /// What its machine has.
        capabilities: Capabilities,
        /// Its software's version.
        version: String,
    },
    /// It reported its health on the stream of this epoch.
    Beat {
        /// The stream's epoch.
        epoch: u64,
        /// The report.
        health: Health,
    },
    /// The stream of this epoch ended.
    Closed {
        /// The stream's epoch.
        epoch: u64,
    },
}

/// A sighting of an older stream was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stream of epoch {found} is fenced, the newest is {current}")]
pub struct Fenced {
    /// The epoch of the sighting.
    pub found: u64,
    /// The newest epoch.
    pub current: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Sighting {
        let boot = BootId::from_bytes([1; 16]);
        Sighting::Opened { boot, capabilities: None, version: String::new() }
    }

    #[test]
    fn a_silent_node_is_offline_after_two_and_a_half_heartbeats() {
        let (mut presence, start) = (Presence::default(), Timestamp::from_millis(1_000));
        assert_eq!(presence.status(start), Status::Pending);
        presence.apply(&opened(), start).unwrap();
        assert_eq!(presence.status(start + PRESENCE_TTL), Status::Online);
        let late = start + PRESENCE_TTL + Duration::from_millis(1);
        assert_eq!(presence.status(late), Status::Offline);
    }

    #[test]
    fn an_older_stream_cannot_close_a_newer_one() {
        let (mut presence, now) = (Presence::default(), Timestamp::from_millis(1));
        presence.apply(&opened(), now).unwrap();
        presence.apply(&opened(), now).unwrap();
        let fenced = presence.apply(&Sighting::Closed { epoch: 1 }, now);
        assert_eq!(fenced, Err(Fenced { found: 1, current: 2 }));
        assert_eq!(presence.status(now), Status::Online);
        presence.apply(&Sighting::Closed { epoch: 2 }, now).unwrap();
        assert_eq!(presence.status(now), Status::Offline);
    }
}
