//! The node replaces its identity key, while it does nothing else.

use std::time::SystemTime;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use ed25519_dalek::SigningKey;

use super::Driver;
use super::driver::destination;
use super::driver::removed;
use crate::identity::Enrolment;
use crate::runner;
use crate::runner::Authority;
use crate::uplink;
use crate::uplink::Rekey;
use crate::uplink::Rekeyed;
use crate::uplink::Sealed;

impl Driver {
    /// Replaces the node's identity key, and returns the new public key. Asks the hub once.
    ///
    /// The old key opens nothing from then on; what it has signed stays good. Where a change was begun
    /// before and has not come to its end, it is that change which is made.
    ///
    /// # Errors
    /// `Precondition` (`not_enrolled`): the node has enrolled with no hub. `Denied` (`node_revoked`):
    /// it is locked, or was removed and its keys are erased now. `Exhausted`
    /// (`too_many_identity_keys`): the old key stays. Those of the connection and of files: nobody
    /// knows whether the key was replaced, and the next run of the node, or the next call, brings it to
    /// its end.
    ///
    /// # Cancel safety
    /// Dropping the future is an error of the connection.
    pub async fn rotate_identity(&mut self) -> Result<[u8; 32]> {
        let Some(member) = self.parts.identity.enrolment().cloned() else {
            let message = "the node has enrolled with no hub: it has no identity to replace";
            return Err(Error::new(ErrorKind::Precondition, "replace identity key", message)
                .with_code("not_enrolled")
                .with_hint("start the node once, with an invite in its configuration"));
        };
        let next = self.parts.identity.begin_rekey()?;
        let public = next.verifying_key().to_bytes();
        let rekeyed = self.ask(&member, &next).await?;
        match self.conclude(rekeyed, next)? {
            None => Ok(public),
            Some(declined) => Err(declined),
        }
    }

    /// Brings a change of the key to its end that was begun. False: asked to stop before that.
    pub(super) async fn settle_identity(&mut self, member: &Enrolment) -> Result<bool> {
        let Some(next) = self.parts.identity.next_key()? else { return Ok(true) };
        let attempt = || self.ask(member, &next);
        let Some(rekeyed) = self.persistence(false).run(attempt).await? else { return Ok(false) };
        if let Some(error) = self.conclude(rekeyed, next)? {
            tracing::warn!(%error, "the hub declines a new identity key; the old one stays");
        }
        Ok(true)
    }

    async fn ask(&self, member: &Enrolment, next: &SigningKey) -> Result<Rekeyed> {
        let mut authority = self.authority_of(member);
        match self.ask_whom(&authority, next).await {
            Err(error) if error.code() == uplink::MISMATCH => {
                // The hub may have replaced its own keys while the node was away.
                let sealed =
                    uplink::newest_bundle(&destination(&self.parts.config), member.node).await;
                let is_newer =
                    sealed.is_ok_and(|sealed| matches!(authority.trust(&sealed), Ok(Some(_))));
                if is_newer { self.ask_whom(&authority, next).await } else { Err(error) }
            }
            asked => asked,
        }
    }

    /// Asks the hub that this authority speaks for.
    async fn ask_whom(&self, authority: &Authority, next: &SigningKey) -> Result<Rekeyed> {
        let old = self.parts.identity.key();
        let change = Rekey { hub: authority.hub, node: authority.node, old: &old, new: next };
        let is_removal =
            |sealed: Sealed| runner::is_removal(authority, sealed, SystemTime::now().into());
        let (to, bundle) = (destination(&self.parts.config), authority.bundle.as_deref());
        uplink::rekey(&to, bundle, change, is_removal).await
    }

    /// Whom the node obeys.
    pub(super) fn authority_of(&self, member: &Enrolment) -> Authority {
        let configured = self.parts.config.hub.trust_anchor.map(|anchor| *anchor.key());
        Authority {
            hub: member.hub,
            node: member.node,
            task_keys: member.task_keys.clone(),
            anchor: member.trust_anchor.or(configured),
            bundle: self.parts.identity.bundle(),
        }
    }

    /// Does on the disk what the hub has done; returns why it has done nothing.
    fn conclude(&mut self, rekeyed: Rekeyed, next: SigningKey) -> Result<Option<Error>> {
        match rekeyed {
            Rekeyed::Done => {
                self.parts.identity.finish_rekey(next)?;
                tracing::info!("identity key replaced");
                Ok(None)
            }
            Rekeyed::Declined(error) => {
                self.parts.identity.abandon_rekey()?;
                Ok(Some(error))
            }
            Rekeyed::Removed => {
                self.parts.identity.erase()?;
                Err(removed())
            }
        }
    }
}
