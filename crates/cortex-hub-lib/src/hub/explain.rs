//! Why each node can or cannot take a task, and why a task is where it is.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::placement::Ground;
use cortex_core::placement::Objection;
use cortex_core::placement::judge;
use cortex_core::session::Session;
use cortex_core::task::State;
use cortex_core::task::Target;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;

use super::Hub;
use super::TaskDraft;
use super::Waiting;
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
    /// A slot of it is kept for the task, and only has to be claimed.
    pub kept: bool,
}

/// Why a task is where it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The task.
    pub task: Arc<Task>,
    /// What it waits for, while it is queued.
    pub waiting: Option<Waiting>,
    /// The node that has it or had it last, its name as far as the caller may know it, and what lets
    /// the task be there; nothing while it waits, or where it ended before a node got it.
    pub place: Option<(NodeId, String, Ground)>,
    /// While it waits: of each node that it could mean, whether it can take the task now.
    pub nodes: Vec<Fitness>,
}

impl Explanation {
    /// The answer in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let state = self.task.state.word();
        match (&self.waiting, &self.place) {
            (Some(waiting), _) => format!("it waits: {}", waiting.message),
            (None, Some((_, name, ground))) if self.task.state.is_end() => {
                format!("it was on node \"{name}\": {ground}")
            }
            (None, Some((_, name, ground))) => format!("it is on node \"{name}\": {ground}"),
            (None, None) if self.task.state.is_end() => {
                format!("it ended before a node got it: {state}")
            }
            (None, None) => format!("it is {state}"),
        }
    }
}

/// What is asked of nodes.
#[derive(Clone, Copy)]
struct Question<'a> {
    /// Who asks.
    who: &'a Principal,
    /// Whose task it is.
    by: &'a Principal,
    session: &'a Session,
    spec: &'a TaskSpec,
    /// The session takes in the nodes that the task names.
    takes_in: bool,
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
        // The default session takes in the nodes that a task names.
        let takes_in = is_default(&session);
        self.fitness_of_all(&Question { who, by: who, session: &session, spec: &spec, takes_in })
            .await
    }

    /// Says why a task is where it is: of one that waits, what it waits for, and of each node that
    /// it could mean whether it can take the task now; of another, what let it be on its node.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn explain_task(&self, who: &Principal, id: TaskId) -> Result<Explanation> {
        let mut task = self.find_task(who, id, Scope::Read).await?;
        let waiting = self.waiting_of(&task).await?;
        if waiting.is_none() && task.state == State::Queued {
            // It left the queue in the same moment.
            task = self.find_task(who, id, Scope::Read).await?;
        }
        let mut nodes = Vec::new();
        if waiting.is_some() {
            let session = self.inner.sessions.get(task.session).await?;
            let by = self.inner.dispatch.user_of(task.by).await?;
            let (session, spec) = (&session, &*task.spec);
            let question = Question { who, by: &by, session, spec, takes_in: false };
            nodes = self.fitness_of_all(&question).await?;
            // The slot that is kept for it is not taken by another.
            let kept = self.inner.dispatch.kept_for(id);
            for one in nodes.iter_mut().filter(|one| Some(one.node) == kept) {
                one.objections.retain(|why| !matches!(why, Objection::Full { .. }));
                one.kept = true;
            }
        }
        let place = match task.node.filter(|_| task.state != State::Queued) {
            Some(node) => Some(self.place_of(who, &task, node).await?),
            None => None,
        };
        Ok(Explanation { task, waiting, place, nodes })
    }

    async fn place_of(
        &self,
        who: &Principal,
        task: &Task,
        node: NodeId,
    ) -> Result<(NodeId, String, Ground)> {
        let known = self.dispatch().candidate(node, who).await?;
        let name = if known.allowed { known.name() } else { node.to_string() };
        Ok((node, name, Ground::of(&task.spec.target, node)))
    }

    async fn fitness_of_all(&self, question: &Question<'_>) -> Result<Vec<Fitness>> {
        let (target, session) = (&question.spec.target, question.session);
        let named = target.named();
        let mut nodes: Vec<NodeId> = named.to_vec();
        if !target.is_closed() {
            nodes.extend(session.nodes.iter().filter(|node| !named.contains(node)));
        }
        let silent = self.dispatch().silent_nodes();
        let mut fitness = Vec::with_capacity(nodes.len());
        for node in nodes {
            let mut one = self.fitness(question, node).await?;
            // What names its nodes is sent to them without an offer.
            if !target.is_closed() && silent.contains(&node) {
                one.objections.push(Objection::Silent);
            }
            fitness.push(one);
        }
        // Stable, so that named nodes keep their order.
        fitness.sort_by_key(|one| one.objections.first().map(|worst| worst.severity() + 1));
        Ok(fitness)
    }

    async fn fitness(&self, question: &Question<'_>, node: NodeId) -> Result<Fitness> {
        let Question { who, by, session, spec, takes_in } = *question;
        let is_attached = session.nodes.contains(&node);
        let unfit = |name, why| Fitness { node, name, objections: vec![why], kept: false };
        if !is_attached && self.resolve_node(who, &node.to_string(), Scope::Read).await.is_err() {
            // Whether there is such a node is not their business.
            return Ok(unfit(node.to_string(), Objection::NotAttached));
        }
        let candidate = self.dispatch().candidate(node, by).await?;
        if !is_attached && !takes_in {
            return Ok(unfit(candidate.name(), Objection::NotAttached));
        }
        let is_known = candidate.node.as_ref().is_none_or(|node| who.hold_of(node).is_some());
        let name = if is_known { candidate.name() } else { node.to_string() };
        Ok(Fitness { node, name, objections: judge(spec, &candidate), kept: false })
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
