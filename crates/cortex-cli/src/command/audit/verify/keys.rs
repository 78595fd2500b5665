//! The identity keys of one node, in the order in which they counted.

use std::fmt;

use cortex_core::digest::Digest;
use cortex_core::receipt;
use cortex_core::receipt::Fault;

/// The keys of a node; one after the other they sign its receipts.
#[derive(Debug, Default)]
pub(super) struct Keys {
    all: Vec<Key>,
    /// Whether a receipt came already: its keys come before it.
    is_used: bool,
    /// The newest key that a receipt was signed with; those before it count no more.
    newest: usize,
}

/// A key, and when the hub says that it counted.
#[derive(Debug)]
pub(super) struct Key {
    key: Digest,
    from: Option<String>,
    until: Option<String>,
}

impl Key {
    pub(super) fn new(key: Digest, from: Option<String>, until: Option<String>) -> Self {
        Self { key, from, until }
    }
}

impl Keys {
    /// Adds the next key.
    pub(super) fn add(&mut self, key: Key) -> Result<(), &'static str> {
        if self.is_used {
            return Err("a key comes after its receipts");
        }
        if self.all.iter().any(|other| other.key == key.key) {
            return Err("a key comes twice");
        }
        if self.all.last().is_some_and(|last| last.until.is_none()) {
            return Err("a key comes after the one that counts");
        }
        self.all.push(key);
        Ok(())
    }

    /// Verifies that the next receipt is signed with a key that was not replaced before the last
    /// receipt.
    pub(super) fn verify(&mut self, signed: &receipt::Signed) -> Result<(), Fault> {
        self.is_used = true;
        let fits = |key: &Key| signed.verify(key.key.as_bytes()).is_ok();
        let found = self.all[self.newest..].iter().position(fits).ok_or(Fault::BadSignature)?;
        self.newest += found;
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.all.iter()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(from) = &self.from {
            write!(f, " from {from}")?;
        }
        match &self.until {
            Some(until) => write!(f, " until {until}"),
            None => Ok(()),
        }
    }
}
