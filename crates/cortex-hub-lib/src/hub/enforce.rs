//! What a change of users means for what they have going on.

use std::collections::HashSet;

use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::id::UserId;
use cortex_core::invite::Fate;
use cortex_core::registry::InviteAct;
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::invites;
use crate::clock;

impl Hub {
    /// At the start and after each change of users, until `ending`: ends the tasks of users who may
    /// not run them any more, and withdraws the invites of those who are locked out.
    ///
    /// Credentials and streams end with the change itself; see
    /// [`Accounts::outlived`](crate::accounts::Accounts::outlived).
    pub(crate) async fn enforce_accounts(self, ending: CancellationToken) {
        let mut changes = self.accounts().changes();
        let mut done = HashSet::new();
        loop {
            self.inner.dispatch.enforce().await;
            if let Err(error) = self.withdraw_invites_of_disabled(&mut done).await {
                tracing::warn!(%error, "cannot withdraw the invites of users who are locked out");
            }
            tokio::select! {
                () = ending.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Withdraws the open invites of users who are locked out and not in `done`.
    async fn withdraw_invites_of_disabled(&self, done: &mut HashSet<UserId>) -> Result<()> {
        let disabled = self.accounts().disabled().await?;
        done.retain(|user| disabled.contains(user));
        for user in disabled {
            if done.contains(&user) {
                continue;
            }
            for invite in self.inner.registry.invites(Some(user)).await? {
                if invite.fate != Fate::Open {
                    continue;
                }
                let note = invites::noted(Actor::Hub, Action::InviteWithdraw, &invite);
                let act = InviteAct::Withdraw(invite.id);
                let withdrawn = self.inner.registry.invite(act, clock::now());
                match self.recorded(note, withdrawn).await {
                    // It was used a moment ago.
                    Err(error) if error.kind() == ErrorKind::Precondition => {}
                    withdrawn => drop(withdrawn?),
                }
            }
            done.insert(user);
        }
        Ok(())
    }
}
