//! Why each node can or cannot take a task.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::NodeId;
use cortex_core::placement::Objection;
use cortex_core::placement::judge;
use cortex_core::session::Session;
use cortex_core::task::Target;
use cortex_core::task::TaskSpec;

use super::Hub;
use super::TaskDraft;
use super::sessions::is_default;

/// Whether a node can take a task now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fitness {
    /// The node.
    pub node: NodeId,
    /// Its name; its id where it is not shared with the caller any more.
    pub name: String,
    /// Why it cannot, the worst first; it can where there is nothing.
    pub objections: Vec<Objection>,
}

impl Hub {
    /// Says of each node of a session whether it could take a task now, and why not; those that
    /// could come first. Where the task names the only nodes that it may run on, only of these.
    ///
    /// Nothing is stored and nothing is sent; what the task is to do may be left empty.
    ///
    /// # Errors
    /// `NotFound`: no such session or node of `who`'s. `Denied`: the credential may not read.
    /// `Invalid`: the spec's target.
    pub async fn explain(
        &self,
        who: &Principal,
        session: &str,
        draft: TaskDraft,
    ) -> Result<Vec<Fitness>> {
        let session = self.find_session(who, session, Scope::Read).await?;
        let mut spec = draft.spec;
        if let Some(key) = &draft.node {
            spec.target = Target::Node(self.target_of(who, &session, key, Scope::Read).await?);
        }
        spec.target.check().map_err(|error| {
            Error::new(ErrorKind::Invalid, "explain", error.to_string()).with_code("bad_task")
        })?;
        let named = spec.target.named();
        let mut nodes: Vec<NodeId> = named.to_vec();
        if !spec.target.is_closed() {
            nodes.extend(session.nodes.iter().filter(|node| !named.contains(node)));
        }
        let mut fitness = Vec::with_capacity(nodes.len());
        for node in nodes {
            fitness.push(self.fitness(who, &session, &spec, node).await?);
        }
        // Stable, so that named nodes keep their order.
        fitness.sort_by_key(|one| one.objections.first().map(|worst| worst.severity() + 1));
        Ok(fitness)
    }

    async fn fitness(
        &self,
        who: &Principal,
        session: &Session,
        spec: &TaskSpec,
        node: NodeId,
    ) -> Result<Fitness> {
        let is_attached = session.nodes.contains(&node);
        let unattached = |name| Fitness { node, name, objections: vec![Objection::NotAttached] };
        if !is_attached && self.resolve_node(who, &node.to_string(), Scope::Read).await.is_err() {
            // Whether there is such a node is not their business.
            return Ok(unattached(node.to_string()));
        }
        let candidate = self.dispatch().candidate(node, who).await?;
        // The default session takes in the nodes that a task names.
        if !is_attached && !is_default(session) {
            return Ok(unattached(candidate.name()));
        }
        let name = if candidate.allowed { candidate.name() } else { node.to_string() };
        Ok(Fitness { node, name, objections: judge(spec, &candidate) })
    }

    /// The nodes of these names or ids, in their order.
    pub(crate) async fn named_nodes(
        &self,
        who: &Principal,
        keys: &[String],
        scope: Scope,
    ) -> Result<Vec<NodeId>> {
        let mut nodes = Vec::with_capacity(keys.len());
        for key in keys {
            nodes.push(self.resolve_node(who, key, scope).await?);
        }
        Ok(nodes)
    }
}
