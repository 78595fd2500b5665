//! The identity key that is to take the place of the one that counts.
//!
//! It is on the disk before the hub is asked, and stays there until the hub's answer is known: so the
//! hub can be asked again, for the same change. One rename ends it.

use cortex_core::Result;
use ed25519_dalek::SigningKey;

use super::Identity;
use super::KEY_FILE;
use super::NEXT_KEY_FILE;
use super::cannot;
use super::files;
use super::make_key;
use super::read_key;

impl Identity {
    /// The next key, where a change was begun and has not come to its end.
    ///
    /// # Errors
    /// As [`Identity::open`]. Blocks, as all below.
    pub(crate) fn next_key(&self) -> Result<Option<SigningKey>> {
        read_key(&self.dir.join(NEXT_KEY_FILE))
    }

    /// Begins a change: makes the next key. One that was begun goes on with the same key, since the
    /// hub may know it already.
    ///
    /// # Errors
    /// As [`Identity::open`].
    pub(crate) fn begin_rekey(&self) -> Result<SigningKey> {
        match self.next_key()? {
            Some(key) => Ok(key),
            None => make_key(&self.dir.join(NEXT_KEY_FILE)),
        }
    }

    /// Ends a change: the next key counts from now on, and the one before is erased.
    ///
    /// # Errors
    /// As [`Identity::open`]; both keys stay where they are then.
    pub(crate) fn finish_rekey(&mut self, next: SigningKey) -> Result<()> {
        let (path, from) = (self.dir.join(KEY_FILE), self.dir.join(NEXT_KEY_FILE));
        files::supersede(&path, &from).map_err(|error| cannot(&path, "replace", error))?;
        self.key = next.into();
        Ok(())
    }

    /// Forgets the next key: the hub has not changed anything, and will not.
    ///
    /// # Errors
    /// As [`Identity::open`].
    pub(crate) fn abandon_rekey(&self) -> Result<()> {
        let path = self.dir.join(NEXT_KEY_FILE);
        files::erase(&path).map_err(|error| cannot(&path, "erase", error))
    }
}
