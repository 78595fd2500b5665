//! What a hub knows that nobody else may, and everything that follows from it: who it is, what it
//! signs, whom it believes.
//!
//! [`Trust::open`] reads the hub's secrets, or makes them at the first start, and hands out the
//! parts. Nothing here knows a database, HTTP or gRPC; time comes in as an argument, except in
//! [`Authority::keep_fresh`](authority::Authority::keep_fresh), which is a loop.

pub mod authority;
mod certificate;
pub mod challenge;
pub mod door;
pub mod invites;
mod master;
pub mod node_certificate;
pub mod outside;
mod rings;
pub mod seal;
pub mod signing;
pub mod token;
pub mod vault;

use std::path::Path;
use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::ring::Act;
use cortex_core::ring::Phase;
use cortex_core::timestamp::Timestamp;

pub use authority::Authority;
pub use challenge::Challenges;
pub use door::Doors;
pub use invites::Invites;
pub use outside::OutsideCertificate;
pub use rings::ParsePurposeError;
pub use rings::Purpose;
pub use seal::Sealer;
pub use signing::TaskSigner;
pub use token::Tokens;
pub use vault::Vault;

pub(crate) use rings::Step;

/// A ring, for those who look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingState {
    /// What its keys are for.
    pub purpose: Purpose,
    /// Its keys, the active one first.
    pub keys: Vec<KeyState>,
    /// What a rotation does next.
    pub next: Act,
}

/// A key of a ring, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// Its number in the ring.
    pub number: u32,
    /// Where it stands in its life.
    pub phase: Phase,
    /// Of an authority: SHA-256 of its public key.
    pub pin: Option<[u8; 32]>,
}

/// The parts of a hub's trust, made from one vault.
#[derive(Debug)]
pub struct Trust {
    vault: Vault,
    authority: Arc<Authority>,
    signer: Arc<TaskSigner>,
    tokens: Arc<Tokens>,
    challenges: Challenges,
    invites: Invites,
    sealer: Arc<Sealer>,
}

impl Trust {
    /// Opens the vault in `data_dir` and makes the parts; makes vault and folder if there is none.
    ///
    /// `names` are the host names and addresses that nodes may dial; they go into the server
    /// certificate beside the fixed ones. Reads and writes files, so it blocks.
    ///
    /// # Errors
    /// Those of [`Vault::open`] and [`Authority::new`].
    pub fn open(data_dir: &Path, names: &[String], now: Timestamp) -> Result<Self> {
        Self::new(Vault::open(data_dir, now)?, names, now)
    }

    /// Makes the parts from an open vault.
    ///
    /// # Errors
    /// Those of [`Authority::new`]; `Internal` where the system gives no random bytes.
    pub fn new(vault: Vault, names: &[String], now: Timestamp) -> Result<Self> {
        Ok(Self {
            authority: Arc::new(Authority::new(&vault, names, now)?),
            signer: Arc::new(TaskSigner::new(&vault)?),
            tokens: Arc::new(Tokens::new(&vault)?),
            challenges: Challenges::default(),
            invites: Invites::new(&vault),
            sealer: Arc::new(Sealer::new(&vault)?),
            vault,
        })
    }

    /// The hub's id, made at its first start.
    #[must_use]
    pub fn hub(&self) -> HubId {
        self.vault.hub()
    }

    /// The certificate authority and the server certificate.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The keys that sign what nodes are told.
    #[must_use]
    pub fn signer(&self) -> &Arc<TaskSigner> {
        &self.signer
    }

    /// Access tokens of nodes and users.
    #[must_use]
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// Open challenges.
    #[must_use]
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// What seals the secrets of tasks.
    #[must_use]
    pub fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    /// Secrets of invites.
    #[must_use]
    pub fn invites(&self) -> &Invites {
        &self.invites
    }

    /// Takes a step of a rotation; once this returns `Ok`, it survives a crash. Blocks.
    ///
    /// # Errors
    /// Those of [`Vault::turn`]; `Internal` where no server certificate can be issued: the next
    /// start does it.
    pub(crate) fn turn(&self, step: &Step, now: Timestamp) -> Result<()> {
        self.vault.turn(step, now)?;
        if step.purpose == Purpose::Ca {
            self.authority.renew(now)?;
        }
        Ok(())
    }

    /// The serial of the newest bundle.
    pub(crate) fn serial(&self) -> u64 {
        self.vault.rings().serial.into()
    }

    /// The keys of both rings.
    pub(crate) fn rings(&self) -> Vec<RingState> {
        let rings = self.vault.rings();
        let ca = rings.ca.members().map(|(member, phase)| KeyState {
            number: member.number,
            phase,
            pin: Some(member.key.pin()),
        });
        let signing = rings.signing.members().map(|(member, phase)| KeyState {
            number: member.number,
            phase,
            pin: None,
        });
        let state = |purpose, keys, next| RingState { purpose, keys, next };
        vec![
            state(Purpose::Ca, ca.collect(), rings.ca.next_act()),
            state(Purpose::Signing, signing.collect(), rings.signing.next_act()),
        ]
    }

    /// The rings whose tainted key's time is over.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<Purpose> {
        let rings = self.vault.rings();
        let is_over = |purpose: &Purpose| rings.tainted_until(*purpose).is_some_and(|at| at <= now);
        Purpose::ALL.into_iter().filter(is_over).collect()
    }
}

/// Fills an array from the system's random source.
fn random<const N: usize>(operation: &'static str) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        cortex_core::Error::new(
            cortex_core::error::Kind::Internal,
            operation,
            "the system gives no random bytes",
        )
        .with_source(std::io::Error::other(error.to_string()))
    })?;
    Ok(bytes)
}

/// Takes a lock whose holders only ever replace whole values: a panic in one leaves nothing torn.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
