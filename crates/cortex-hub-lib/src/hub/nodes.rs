//! Nodes: look, change, remove.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Hold;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::capability::Selector;
use cortex_core::capability::check_labels;
use cortex_core::id::NodeId;
use cortex_core::node::Admission;
use cortex_core::node::Node;
use cortex_core::registry::NodeChange;
use cortex_core::registry::NodeFilter;

use super::Hub;
use super::check;
use super::check_scope;
use crate::audit::Note;
use crate::clock;
use crate::feed::Change;
use crate::link::CloseReason;
use crate::trust::token::Holder;

/// The longest name of a node, in bytes.
const MAX_NAME: usize = 63;

impl Hub {
    /// Lists the nodes that `who` may see, those shared with them too, by name; `labels` narrows the
    /// list.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn nodes(&self, who: &Principal, labels: Option<Selector>) -> Result<Vec<Node>> {
        check_scope(who, Scope::Read)?;
        let filter =
            NodeFilter { visible_to: who.visible_owner(), labels, ..NodeFilter::default() };
        let mut nodes = self.inner.registry.list(filter).await?;
        for node in &mut nodes {
            self.inner.links.overlay(node);
        }
        Ok(nodes)
    }

    /// Returns a node by its id, or by its name among the nodes that `who` may see: their own first.
    ///
    /// # Errors
    /// `NotFound`: no such node, or none that `who` may see. `Conflict`, code `ambiguous_name`:
    /// several owners have a node of that name.
    pub async fn node(&self, who: &Principal, key: &str) -> Result<Node> {
        self.find_node(who, key, Hold::Use, Scope::Read).await
    }

    /// How many tasks the hub believes to be on a node.
    #[must_use]
    pub fn open_tasks_on(&self, node: NodeId) -> u32 {
        self.inner.dispatch.load_of(node)
    }

    /// Makes changes of a node, all or none, and returns it as it then is. A locked or removed node's
    /// stream is cut.
    ///
    /// # Errors
    /// `NotFound`: no such node, or none that `who` may see. `Denied`: the node is shared with them,
    /// but not for this, or the credential may not manage. `Invalid`: the name or a label. `Exists`:
    /// the name is taken.
    pub async fn amend_node(
        &self,
        who: &Principal,
        key: &str,
        changes: Vec<NodeChange>,
    ) -> Result<Node> {
        for change in &changes {
            check_change(change)?;
        }
        let need = changes.iter().map(need_of).max().unwrap_or(Hold::Manage);
        let node = self.find_node(who, key, need, Scope::Manage).await?;
        let by = Actor::User(who.user);
        let notes = changes.iter().map(|change| change_noted(by, &node, change));
        let Some(note) = notes.reduce(Note::and) else { return Ok(node) };
        let hub = self.clone();
        self.finish(async move { hub.amend(node.id, changes, note).await }).await
    }

    /// Makes changes that were decided on, records them, and does what follows from them.
    pub(super) async fn amend(
        &self,
        id: NodeId,
        changes: Vec<NodeChange>,
        note: Note,
    ) -> Result<Node> {
        let amended = self.inner.registry.amend(id, changes, clock::now());
        let mut node = self.recorded(note, amended).await?;
        let link = self.inner.links.get(id);
        match CloseReason::of(node.admission) {
            None => {
                if let Some(link) = link {
                    link.update(Arc::new(node.clone()));
                }
            }
            Some(reason) => {
                self.trust().tokens().revoke(Holder::Node(id), clock::now());
                let words = reason.words().to_owned();
                if let Some(link) = link {
                    link.close(reason);
                }
                self.inner.dispatch.node_revoked(id, &words).await;
            }
        }
        self.inner.dispatch.node_changed(id);
        self.inner.links.overlay(&mut node);
        self.inner.feed.announce(Change::Node(Arc::new(node.clone())));
        Ok(node)
    }

    /// Finds a node of which `who` has what is needed, for a use as `scope` says.
    pub(super) async fn find_node(
        &self,
        who: &Principal,
        key: &str,
        need: Hold,
        scope: Scope,
    ) -> Result<Node> {
        let missing = || not_found(key);
        let mut node = match key.parse::<NodeId>() {
            Ok(id) => self.inner.registry.get(id).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing(),
                _ => error,
            })?,
            Err(_) => self.named(who, key).await?.ok_or_else(missing)?,
        };
        if node.admission == Admission::Retired {
            return Err(missing());
        }
        check(who.may_on(&node, need, scope), missing)?;
        self.inner.links.overlay(&mut node);
        Ok(node)
    }

    /// The node of that name: the caller's own first, then one that they may see.
    async fn named(&self, who: &Principal, name: &str) -> Result<Option<Node>> {
        let filter = NodeFilter { visible_to: who.visible_owner(), ..NodeFilter::default() };
        let mut found = self.inner.registry.list(filter).await?;
        found.retain(|node| node.name == name);
        if let Some(own) = found.iter().position(|node| node.owner == who.user) {
            return Ok(Some(found.swap_remove(own)));
        }
        if found.len() > 1 {
            let message = format!("{} nodes of other users are called \"{name}\"", found.len());
            return Err(Error::new(ErrorKind::Conflict, "find node", message)
                .with_code("ambiguous_name")
                .with_hint("use the node's id: cortex-cli node list -o json"));
        }
        Ok(found.pop())
    }

    /// Finds the id of a node that `who` may use, without asking the store where it is online.
    pub(super) async fn resolve_node(
        &self,
        who: &Principal,
        key: &str,
        scope: Scope,
    ) -> Result<NodeId> {
        let live = match key.parse::<NodeId>() {
            Ok(id) => self.inner.links.get(id).map(|link| link.node()),
            Err(_) => self.inner.links.named(who.user, key),
        };
        match live.filter(|node| node.admission == Admission::Active) {
            Some(node) => {
                check(who.may_on(&node, Hold::Use, scope), || not_found(key))?;
                Ok(node.id)
            }
            None => Ok(self.find_node(who, key, Hold::Use, scope).await?.id),
        }
    }
}

fn not_found(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, "find node", format!("no node \"{key}\""))
        .with_code("node_not_found")
        .with_hint("cortex-cli node list")
}

/// What a change needs of the node.
fn need_of(change: &NodeChange) -> Hold {
    match change {
        NodeChange::Rename(_)
        | NodeChange::Relabel(_)
        | NodeChange::Cordon(_)
        | NodeChange::Lock(_) => Hold::Manage,
        // Those that the hub makes by itself are here so that people cannot pass for it lightly.
        NodeChange::Retire
        | NodeChange::Grant(..)
        | NodeChange::Ungrant(_)
        | NodeChange::Suspect(_)
        | NodeChange::Renew(_)
        | NodeChange::Rekey(_) => Hold::Own,
    }
}

/// Notes that `actor` changes a node.
pub(super) fn change_noted(actor: Actor, node: &Node, change: &NodeChange) -> Note {
    Note::of(actor, action_of(change), Object::Node(node.id))
        .owned_by(node.owner)
        .detail(words_of(node, change))
}

fn action_of(change: &NodeChange) -> Action {
    match change {
        NodeChange::Rename(_) => Action::NodeRename,
        NodeChange::Relabel(_) => Action::NodeLabel,
        NodeChange::Cordon(true) => Action::NodeCordon,
        NodeChange::Cordon(false) => Action::NodeUncordon,
        NodeChange::Lock(true) => Action::NodeLock,
        NodeChange::Lock(false) => Action::NodeUnlock,
        NodeChange::Retire => Action::NodeRemove,
        NodeChange::Grant(..) => Action::NodeShare,
        NodeChange::Ungrant(_) => Action::NodeUnshare,
        NodeChange::Suspect(_) => Action::NodeSuspect,
        NodeChange::Renew(_) => Action::NodeRenew,
        NodeChange::Rekey(_) => Action::NodeRekey,
    }
}

/// What a change is recorded as, beside its action: the node's name, and what it becomes.
fn words_of(node: &Node, change: &NodeChange) -> String {
    let name = &node.name;
    match change {
        NodeChange::Rename(other) => format!("{name} to {other}"),
        NodeChange::Relabel(labels) => {
            let labels: Vec<_> =
                labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{name} to {}", labels.join(","))
        }
        NodeChange::Grant(user, grant) => format!("{name} with {user} to {}", grant.word()),
        NodeChange::Ungrant(user) => format!("{name} with {user}"),
        NodeChange::Suspect(suspicion) => format!("{name} {}", suspicion.word()),
        NodeChange::Renew(renewal) => format!("{name} from generation {}", renewal.generation),
        NodeChange::Rekey(rekey) => {
            format!("{name} from {} to {}", hex::encode(rekey.from), hex::encode(rekey.to))
        }
        NodeChange::Cordon(_) | NodeChange::Lock(_) | NodeChange::Retire => name.clone(),
    }
}

fn check_change(change: &NodeChange) -> Result<()> {
    match change {
        NodeChange::Rename(name) => check_name(name),
        NodeChange::Relabel(labels) => check_labels(labels).map_err(|error| {
            Error::new(ErrorKind::Invalid, "change node", error.to_string()).with_code("bad_label")
        }),
        _ => Ok(()),
    }
}

/// Refuses names that could be taken for something else: an id, an option, a path.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_id = name.parse::<NodeId>().is_ok();
    if begins_well && name.len() <= MAX_NAME && name.chars().all(is_plain) && !is_id {
        return Ok(());
    }
    let message = format!(
        "\"{}\" is no name for a node: 1 to {MAX_NAME} letters, digits, '-', '_' and '.', \
         beginning with a letter or digit",
        name.escape_debug()
    );
    Err(Error::new(ErrorKind::Invalid, "check name", message).with_code("bad_name"))
}
