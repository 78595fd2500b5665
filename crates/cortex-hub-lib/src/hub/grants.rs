//! Sharing a node with other users, and taking that back.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Hold;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::account::Scope;
use cortex_core::audit::Actor;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::node::Grant;
use cortex_core::node::Node;
use cortex_core::registry::NodeChange;

use super::Hub;
use super::nodes::change_noted;

/// Why a task is cancelled whose user lost the node.
const WITHDRAWN: &str = "the node is not shared with the task's user any more";

impl Hub {
    /// Lists with whom a node is shared, and for what.
    ///
    /// # Errors
    /// `NotFound`: no such node, or none that `who` may see. `Denied`: it is not theirs.
    pub async fn grants(&self, who: &Principal, key: &str) -> Result<Vec<(UserId, Grant)>> {
        let node = self.find_node(who, key, Hold::Own, Scope::Read).await?;
        Ok(node.grants.into_iter().collect())
    }

    /// Shares a node with a user, named by id or name, or changes for what it is shared with them.
    ///
    /// # Errors
    /// `NotFound`: no such node that `who` may see, or no such user. `Denied`: it is not theirs, or
    /// the credential may not manage. `Invalid`: the user is its owner. `Exhausted`: it is shared
    /// with too many users.
    pub async fn share_node(
        &self,
        who: &Principal,
        key: &str,
        user: &str,
        grant: Grant,
    ) -> Result<(UserId, Node)> {
        let node = self.find_node(who, key, Hold::Own, Scope::Manage).await?;
        let user = self.accounts().meant_by(user).await?;
        let change = NodeChange::Grant(user, grant);
        let note = change_noted(Actor::User(who.user), &node, &change);
        let hub = self.clone();
        let amended = async move { hub.amend(node.id, vec![change], note).await };
        Ok((user, self.finish(amended).await?))
    }

    /// Shares a node with a user no more. When this returns, they see it no longer, no session of
    /// theirs sends it tasks, and their tasks on it are cancelled.
    ///
    /// # Errors
    /// `NotFound`: no such node that `who` may see, no such user, or it was not shared with them.
    /// `Denied`: it is not theirs, or the credential may not manage.
    pub async fn unshare_node(&self, who: &Principal, key: &str, user: &str) -> Result<Node> {
        let node = self.find_node(who, key, Hold::Own, Scope::Manage).await?;
        let user = self.accounts().meant_by(user).await?;
        let change = NodeChange::Ungrant(user);
        let note = change_noted(Actor::User(who.user), &node, &change);
        let (hub, by) = (self.clone(), who.user);
        self.finish(async move {
            let node = hub.amend(node.id, vec![change], note).await?;
            hub.end_use(node.id, user, by).await?;
            Ok(node)
        })
        .await
    }

    /// Ends what a user, who is no admin, has on a node that was shared with them.
    async fn end_use(&self, node: NodeId, user: UserId, by: UserId) -> Result<()> {
        if self.accounts().role_of(user).await? == Role::Admin {
            return Ok(());
        }
        let ended = self.inner.dispatch.withdraw(node, user, by, WITHDRAWN).await;
        ended.map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                "unshare node",
                "the node is shared no more, but tasks on it could not all be cancelled",
            )
            .with_hint("cancel them: cortex-cli task list --open")
            .with_source(error)
        })
    }
}
