//! Whose tasks may be on which nodes: asked before a task is sent, and again when that changes.

use std::collections::HashMap;
use std::sync::Arc;

use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::node::Node;
use cortex_core::placement::Candidate;
use cortex_core::session::Session;
use cortex_core::task::State;
use cortex_core::task::Target;
use cortex_core::task::Task;

use super::Dispatch;
use crate::accounts::Standing;
use crate::clock;

/// Why a task may not go on; nothing where it may.
///
/// What an embedder's users may do shows with their requests only, so their tasks go on until a
/// grant is taken back.
fn objection(by: UserId, standing: Standing, node: Option<&Node>) -> Option<&'static str> {
    match standing {
        Standing::Disabled => Some("the task's user was locked out"),
        Standing::Active(role) => {
            let lost = node.is_some_and(|node| Principal::full(by, role).hold_of(node).is_none());
            lost.then_some("the task's user may not use the node any more")
        }
        Standing::Outside => None,
    }
}

impl Dispatch {
    /// The session's nodes that the target may mean, with what is known of them live, and whether
    /// `by` may use them.
    pub(super) async fn candidates(
        &self,
        session: &Session,
        target: &Target,
        by: &Principal,
    ) -> Result<Vec<Candidate>> {
        let wanted = |node: &&NodeId| !target.is_closed() || target.named().contains(node);
        let mut candidates = Vec::new();
        for node in session.nodes.iter().filter(wanted) {
            candidates.push(self.candidate(*node, by).await?);
        }
        Ok(candidates)
    }

    /// What is known of a node live, and whether `by` may use it.
    pub(crate) async fn candidate(&self, id: NodeId, by: &Principal) -> Result<Candidate> {
        let (node, online) = match self.links.get(id) {
            Some(link) => (Some(link.node()), link.is_live(clock::now())),
            None => (self.node(id).await?.map(Arc::new), false),
        };
        let allowed = node.as_ref().is_none_or(|node| by.hold_of(node).is_some());
        // Which mirrors are fresh is not known here yet.
        Ok(Candidate { id, node, allowed, online, near: false, load: self.load_of(id) })
    }

    /// Whether a user may not use a node any more; of one that is not there, nobody needs to know.
    pub(super) fn is_withdrawn(&self, by: &Principal, node: NodeId) -> bool {
        self.links.get(node).is_some_and(|link| by.hold_of(&link.node()).is_none())
    }

    /// Cancels the tasks that a user has on a node, and those that wait for it.
    ///
    /// # Errors
    /// Those of the store: a task could not be cancelled. The others were.
    pub(crate) async fn withdraw(
        &self,
        node: NodeId,
        user: UserId,
        by: UserId,
        reason: &str,
    ) -> Result<()> {
        let mut done = Ok(());
        for task in self.open.on_node(node).into_iter().filter(|task| task.by == user) {
            let cancelled = self.cancel(task.id, Some(by), reason).await.map(drop);
            done = done.and(cancelled.or_else(not_ended));
        }
        self.rules_changed();
        self.review(clock::now()).await;
        done
    }

    /// Cancels the open tasks of users who are locked out, or who may not use the node any more.
    pub(crate) async fn enforce(&self) {
        let mut standings: HashMap<UserId, Standing> = HashMap::new();
        self.rules_changed();
        for task in self.open.all() {
            if task.state == State::Cancelling {
                continue;
            }
            if let Err(error) = self.judge(&task, &mut standings).await {
                tracing::warn!(task = %task.id, %error, "cannot see whether task may go on");
            }
        }
    }

    async fn judge(&self, task: &Task, standings: &mut HashMap<UserId, Standing>) -> Result<()> {
        let standing = match standings.get(&task.by) {
            Some(known) => *known,
            None => self.accounts.standing(task.by).await?,
        };
        standings.insert(task.by, standing);
        let node = match task.node {
            Some(node) => self.node(node).await?,
            None => None,
        };
        let Some(reason) = objection(task.by, standing, node.as_ref()) else { return Ok(()) };
        tracing::info!(task = %task.id, user = %task.by, reason, "task cancelled");
        self.cancel(task.id, None, reason).await.map(drop).or_else(not_ended)
    }

    /// What is stored of a node.
    async fn node(&self, id: NodeId) -> Result<Option<Node>> {
        match self.registry.get(id).await {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A task that has ended meanwhile needs no cancelling.
fn not_ended(error: cortex_core::Error) -> Result<()> {
    if error.code() == "task_ended" { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use cortex_core::account::Role;
    use cortex_core::node::Admission;
    use cortex_core::node::Grant;
    use cortex_core::node::PRESENCE_TTL;
    use cortex_core::node::Presence;
    use cortex_core::timestamp::Timestamp;

    use super::*;
    use crate::link::Link;

    const USER: UserId = UserId::from_bytes([2; 16]);

    fn node(grants: BTreeMap<UserId, Grant>) -> Node {
        Node {
            id: NodeId::from_bytes([1; 16]),
            name: "lab".into(),
            owner: UserId::from_bytes([1; 16]),
            grants,
            identity: [0; 32],
            former_keys: Vec::new(),
            labels: BTreeMap::new(),
            admission: Admission::Active,
            suspicion: None,
            join: cortex_core::node::JoinState::default(),
            cordoned: false,
            capabilities: None,
            version: String::new(),
            enrolled_at: Timestamp::default(),
            presence: Presence::default(),
        }
    }

    #[test]
    fn a_node_that_was_silent_for_too_long_gets_no_task_though_its_link_is_open() {
        let boot = cortex_core::id::BootId::from_bytes([1; 16]);
        let start = Timestamp::default();
        let (link, _down) = Link::new(Arc::new(node(BTreeMap::new())), boot, 1, start);
        assert!(link.is_live(start + PRESENCE_TTL));
        let late = start + PRESENCE_TTL + Duration::from_millis(1);
        assert!(!link.is_live(late));
        link.heard(None, late);
        assert!(link.is_live(late));
        link.closed.cancel();
        assert!(!link.is_live(late));
    }

    #[test]
    fn a_task_goes_on_while_its_user_may_use_its_node() {
        let (shared, private) = (node(BTreeMap::from([(USER, Grant::Use)])), node(BTreeMap::new()));
        let member = Standing::Active(Role::Member);
        assert_eq!(objection(USER, member, Some(&shared)), None);
        assert_eq!(objection(USER, member, None), None);
        assert!(objection(USER, member, Some(&private)).is_some());
        assert_eq!(objection(USER, Standing::Active(Role::Admin), Some(&private)), None);
        assert_eq!(objection(USER, Standing::Outside, Some(&private)), None);
        assert!(objection(USER, Standing::Disabled, Some(&shared)).is_some());
        assert!(objection(USER, Standing::Disabled, None).is_some());
    }
}
