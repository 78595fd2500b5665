//! Draining a node: nothing new goes to it, and what it has may end.

use std::time::Duration;

use cortex_core::Result;
use cortex_core::account::Hold;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::node::Node;
use cortex_core::registry::NodeChange;

use super::Hub;
use crate::audit::Note;
use crate::clock;

impl Hub {
    /// Cordons a node and returns it as it then is: tasks that wait go elsewhere, those that it has
    /// may end, for `limit` at most where one is given; then they are cancelled.
    ///
    /// The node is empty when [`Self::open_tasks_on`] says so. The limit is kept in memory: a hub
    /// that is restarted meanwhile leaves the tasks alone, and the node cordoned.
    ///
    /// # Errors
    /// As of [`Self::amend_node`].
    pub async fn drain_node(
        &self,
        who: &Principal,
        key: &str,
        limit: Option<Duration>,
    ) -> Result<Node> {
        let node = self.find_node(who, key, Hold::Manage, Scope::Manage).await?;
        let words = match limit {
            Some(limit) => format!("{} within {limit:?}", node.name),
            None => node.name.clone(),
        };
        let note = Note::by(who, Action::NodeDrain, Object::Node(node.id))
            .owned_by(node.owner)
            .detail(words);
        let (hub, by) = (self.clone(), who.user);
        self.finish(async move {
            let drained = hub.amend(node.id, vec![NodeChange::Cordon(true)], note).await?;
            if let Some(limit) = limit {
                hub.inner.dispatch.drain_until(node.id, by, clock::now() + limit);
            }
            Ok(drained)
        })
        .await
    }
}
