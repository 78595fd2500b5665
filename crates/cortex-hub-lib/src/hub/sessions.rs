//! Sessions: make, look, attach, detach, close.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::UserId;
use cortex_core::session::Happening;
use cortex_core::session::Session;
use sha2::Digest as _;
use sha2::Sha256;

use super::Hub;
use super::check_access;
use super::check_scope;
use crate::audit::Note;
use crate::clock;

/// The key that means a user's own default session.
const DEFAULT: &str = "default";

/// The longest name of a session, in characters.
const MAX_NAME: usize = 128;

/// Sessions kept at hand; the rest are read when they are needed.
const MAX_KNOWN: usize = 4_096;

/// Sessions at hand, so that a submission need not read them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
}

impl Known {
    fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    fn put(&self, session: &Arc<Session>) {
        let mut sessions = self.lock();
        if sessions.len() >= MAX_KNOWN {
            sessions.clear();
        }
        sessions.insert(session.id, session.clone());
    }

    fn forget(&self, id: SessionId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        // No code panics while it holds this lock.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Makes a session of `who`'s with these nodes attached, all or none.
    ///
    /// # Errors
    /// `Denied`: the credential may not manage. `Invalid`: the name. `NotFound`: a node.
    pub async fn create_session(
        &self,
        who: &Principal,
        name: Option<String>,
        nodes: &[String],
    ) -> Result<Session> {
        check_scope(who, Scope::Manage)?;
        let id = SessionId::generate();
        let name = name.unwrap_or_else(|| format!("session of {}", clock::now()));
        if name.is_empty() || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
            let message = format!("a session's name has 1 to {MAX_NAME} characters on one line");
            return Err(
                Error::new(ErrorKind::Invalid, "make session", message).with_code("bad_name")
            );
        }
        let mut attach = Vec::new();
        for key in nodes {
            let node = self.resolve_node(who, key, Scope::Exec).await?;
            if !attach.contains(&node) {
                attach.push(node);
            }
        }
        let note = Note::by(who, Action::SessionCreate, Object::Session(id))
            .owned_by(who.user)
            .detail(name.clone());
        let session = Session::new(id, who.user, name, clock::now());
        let hub = self.clone();
        self.finish(async move {
            hub.recorded(note, hub.inner.sessions.create(session)).await?;
            let what = attach.into_iter().map(|node| Happening::Attached { node }).collect();
            hub.record(id, what).await
        })
        .await
    }

    /// Lists the sessions of `who`, or all for an admin, newest first.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn sessions(&self, who: &Principal) -> Result<Vec<Session>> {
        check_scope(who, Scope::Read)?;
        self.inner.sessions.list(who.visible_owner()).await
    }

    /// Returns a session by its id; `default` means the caller's own default session.
    ///
    /// # Errors
    /// `NotFound`: no such session, or none that `who` may see.
    pub async fn session(&self, who: &Principal, key: &str) -> Result<Session> {
        let session = self.find_session(who, key, Scope::Read).await?;
        Ok(Session::clone(&session))
    }

    /// Closes a session: no new tasks, no new nodes; running tasks go on. Closing twice is harmless.
    ///
    /// # Errors
    /// `NotFound`: no such session of `who`'s.
    pub async fn close_session(&self, who: &Principal, key: &str) -> Result<Session> {
        let session = self.find_session(who, key, Scope::Manage).await?;
        let note = noted(who, Action::SessionClose, &session);
        self.change(session.id, Happening::Closed, "session_closed", note).await
    }

    /// Attaches a node to a session. Attaching twice is harmless.
    ///
    /// # Errors
    /// `NotFound`: no such session or node of `who`'s. `Precondition`: the session is closed.
    pub async fn attach(&self, who: &Principal, session: &str, node: &str) -> Result<Session> {
        let session = self.find_session(who, session, Scope::Manage).await?;
        let node = self.resolve_node(who, node, Scope::Exec).await?;
        let note = noted(who, Action::SessionAttach, &session).detail(node.to_string());
        self.change(session.id, Happening::Attached { node }, "node_attached", note).await
    }

    /// Detaches a node from a session; its running tasks go on. Detaching twice is harmless.
    ///
    /// # Errors
    /// `NotFound`: no such session or node of `who`'s.
    pub async fn detach(&self, who: &Principal, session: &str, node: &str) -> Result<Session> {
        let session = self.find_session(who, session, Scope::Manage).await?;
        // A removed node can still be detached by its id.
        let node = match node.parse::<NodeId>() {
            Ok(id) => id,
            Err(_) => self.resolve_node(who, node, Scope::Read).await?,
        };
        let note = noted(who, Action::SessionDetach, &session).detail(node.to_string());
        self.change(session.id, Happening::Detached { node }, "node_not_attached", note).await
    }

    /// Records something; the refusal `harmless` only means that it is so already.
    async fn change(
        &self,
        id: SessionId,
        what: Happening,
        harmless: &'static str,
        note: Note,
    ) -> Result<Session> {
        let hub = self.clone();
        self.finish(async move {
            match hub.recorded(note, hub.record(id, vec![what])).await {
                Err(error) if error.code() == harmless => hub.inner.sessions.get(id).await,
                done => done,
            }
        })
        .await
    }

    async fn record(&self, id: SessionId, what: Vec<Happening>) -> Result<Session> {
        if !what.is_empty() {
            let appended = self.inner.sessions.append(id, None, what, clock::now()).await;
            // Whatever came of it, what is at hand may be old now.
            self.inner.known.forget(id);
            self.inner.dispatch.rules_changed();
            self.inner.feed.publish(id, &appended?.entries);
        }
        self.inner.sessions.get(id).await
    }

    /// Finds a session that `who` may use as `scope` says.
    pub(super) async fn find_session(
        &self,
        who: &Principal,
        key: &str,
        scope: Scope,
    ) -> Result<Arc<Session>> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "find session", format!("no session \"{key}\""))
                .with_code("session_not_found")
                .with_hint("cortex-cli session list")
        };
        if key == DEFAULT {
            return self.default_session(who).await;
        }
        let id = key.parse::<SessionId>().map_err(|_| missing())?;
        let session = self.load_session(id).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(),
            _ => error,
        })?;
        check_access(who, scope, session.owner, missing)?;
        Ok(session)
    }

    pub(super) async fn load_session(&self, id: SessionId) -> Result<Arc<Session>> {
        if let Some(session) = self.inner.known.get(id) {
            return Ok(session);
        }
        let session = Arc::new(self.inner.sessions.get(id).await?);
        self.inner.known.put(&session);
        Ok(session)
    }

    async fn default_session(&self, who: &Principal) -> Result<Arc<Session>> {
        let id = default_id(who.user);
        match self.load_session(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
        let session = Session::new(id, who.user, DEFAULT, clock::now());
        let note = noted(who, Action::SessionCreate, &session).detail(DEFAULT);
        match self.recorded(note, self.inner.sessions.create(session)).await {
            Err(error) if error.kind() != ErrorKind::Exists => Err(error),
            _ => self.load_session(id).await,
        }
    }

    /// Attaches a node to the default session where it is named in a task; other sessions stay as
    /// their owner made them.
    pub(super) async fn attach_to_default(
        &self,
        who: &Principal,
        session: Arc<Session>,
        node: NodeId,
    ) -> Result<Arc<Session>> {
        if session.nodes.contains(&node) || !is_default(&session) {
            return Ok(session);
        }
        let note = noted(who, Action::SessionAttach, &session).detail(node.to_string());
        let what = Happening::Attached { node };
        let attached = self.change(session.id, what, "node_attached", note).await?;
        Ok(Arc::new(attached))
    }
}

fn noted(who: &Principal, action: Action, session: &Session) -> Note {
    Note::by(who, action, Object::Session(session.id)).owned_by(session.owner)
}

/// Whether it is its owner's default session.
pub(super) fn is_default(session: &Session) -> bool {
    session.id == default_id(session.owner)
}

/// The id of a user's default session: always the same, so that it is made once.
fn default_id(user: UserId) -> SessionId {
    let mut hash = Sha256::new();
    hash.update(b"cortex/default-session/v1\0");
    hash.update(user.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    SessionId::from_bytes(id)
}
