//! A place of your own for a hub's nodes and invites: here one JSON file.
//!
//! ```text
//! cargo run --example custom_store
//! ```
//!
//! The program first puts the store through the public contract suite, as a test of yours would,
//! then runs a hub on it, restarts that hub, and shows that it still knows its invites. All rules
//! come from `cortex_core`; what a backend adds is where things are kept. This one writes the whole
//! file at each change: right for a handful of nodes, not for a thousand.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::cmp::Reverse;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::contract;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::invite::Invite;
use cortex_core::invite::InviteError;
use cortex_core::node::Admission;
use cortex_core::node::Node;
use cortex_core::node::Presence;
use cortex_core::node::Sighting;
use cortex_core::registry::Enrolled;
use cortex_core::registry::Enrolment;
use cortex_core::registry::InviteAct;
use cortex_core::registry::NodeChange;
use cortex_core::registry::NodeFilter;
use cortex_core::registry::NodeRegistry;
use cortex_core::registry::refusal;
use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::Hub;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::InviteDraft;
use serde::Deserialize;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A heartbeat is written once the file is older than this: a crash may cost a minute of them.
const KEEP_BEATS: Duration = Duration::from_secs(30);

/// A [`NodeRegistry`] in one JSON file.
#[derive(Debug, Clone)]
struct JsonRegistry {
    file: Arc<JsonFile>,
}

#[derive(Debug)]
struct JsonFile {
    path: PathBuf,
    /// Held while the file is written: one change after the other.
    turn: Mutex<()>,
    /// What the file holds; locked only to look and to replace.
    book: Mutex<Arc<Book>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Book {
    written_at: Timestamp,
    invites: Vec<Invite>,
    nodes: Vec<Node>,
}

#[async_trait]
impl NodeRegistry for JsonRegistry {
    async fn invite(&self, act: InviteAct, now: Timestamp) -> Result<Invite> {
        self.change(now, Duration::ZERO, move |book| book.invite(act, now)).await
    }

    async fn invites(&self, owner: Option<UserId>) -> Result<Vec<Invite>> {
        let mut found = self.file.book().invites.clone();
        found.retain(|invite| owner.is_none_or(|owner| invite.owner == owner));
        found.sort_by_key(|invite| Reverse((invite.created_at, invite.id)));
        Ok(found)
    }

    async fn enroll(&self, enrolment: Enrolment, now: Timestamp) -> Result<Node> {
        self.change(now, Duration::ZERO, move |book| book.enroll(&enrolment, now)).await
    }

    async fn touch(&self, id: NodeId, sighting: Sighting, now: Timestamp) -> Result<Presence> {
        let is_beat = matches!(sighting, Sighting::Beat { .. });
        let patience = if is_beat { KEEP_BEATS } else { Duration::ZERO };
        let sight = move |book: &mut Book| {
            let at = book.position(id)?;
            let node = &mut book.nodes[at];
            node.sight(sighting, now)?;
            Ok(node.presence.clone())
        };
        self.change(now, patience, sight).await
    }

    async fn amend(&self, id: NodeId, changes: Vec<NodeChange>, now: Timestamp) -> Result<Node> {
        self.change(now, Duration::ZERO, move |book| book.amend(id, changes)).await
    }

    async fn get(&self, id: NodeId) -> Result<Node> {
        let book = self.file.book();
        Ok(book.nodes[book.position(id)?].clone())
    }

    async fn list(&self, filter: NodeFilter) -> Result<Vec<Node>> {
        let mut found = self.file.book().nodes.clone();
        found.retain(|node| filter.fits(node));
        found.sort_by(|left, right| (&left.name, left.id).cmp(&(&right.name, right.id)));
        Ok(found)
    }
}

impl JsonRegistry {
    /// Opens the file; without one the book is empty.
    fn open(path: PathBuf) -> Result<Self> {
        let book = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(storage)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Book::default(),
            Err(error) => return Err(storage(error)),
        };
        let file = JsonFile { path, turn: Mutex::new(()), book: Mutex::new(Arc::new(book)) };
        Ok(Self { file: Arc::new(file) })
    }

    /// Makes a change on a thread that may block; it runs to its end even if the caller has gone.
    async fn change<T: Send + 'static>(
        &self,
        now: Timestamp,
        patience: Duration,
        act: impl FnOnce(&mut Book) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = Arc::clone(&self.file);
        let changing = tokio::task::spawn_blocking(move || file.change(now, patience, act));
        changing.await.map_err(storage)?
    }
}

impl JsonFile {
    fn book(&self) -> Arc<Book> {
        Arc::clone(&lock(&self.book))
    }

    /// Changes a copy of the book, which takes the book's place once it is on disk.
    fn change<T>(
        &self,
        now: Timestamp,
        patience: Duration,
        act: impl FnOnce(&mut Book) -> Result<T>,
    ) -> Result<T> {
        let _turn = lock(&self.turn);
        let mut book = Book::clone(&self.book());
        let answer = act(&mut book)?;
        if now.since(book.written_at) >= patience {
            book.written_at = now;
            self.write(&book).map_err(storage)?;
        }
        *lock(&self.book) = Arc::new(book);
        Ok(answer)
    }

    /// Whenever this breaks off, the file is the old one or the new one.
    fn write(&self, book: &Book) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut draft, book)?;
        draft.as_file().sync_all()?;
        draft.persist(&self.path)?;
        File::open(folder)?.sync_all()
    }
}

impl Book {
    fn position(&self, id: NodeId) -> Result<usize> {
        let found = self.nodes.iter().position(|node| node.id == id);
        found.ok_or_else(|| refusal::node_not_found(id))
    }

    /// Whether a live node of `owner`, other than `except`, is called `name`.
    fn is_taken(&self, owner: UserId, name: &str, except: Option<NodeId>) -> bool {
        let live = self.nodes.iter().filter(|node| node.admission != Admission::Retired);
        let mut others = live.filter(|node| node.owner == owner && Some(node.id) != except);
        others.any(|node| node.name == name)
    }

    fn invite(&mut self, act: InviteAct, now: Timestamp) -> Result<Invite> {
        match act {
            InviteAct::Issue(invite) => {
                if self.invites.iter().any(|known| known.id == invite.id) {
                    return Err(refusal::invite_exists(invite.id));
                }
                self.invites.push(invite.clone());
                Ok(invite)
            }
            InviteAct::Withdraw(id) => {
                let found = self.invites.iter_mut().find(|invite| invite.id == id);
                let invite = found.ok_or_else(|| refusal::invite_not_found(id))?;
                invite.withdraw(now)?;
                Ok(invite.clone())
            }
        }
    }

    fn enroll(&mut self, enrolment: &Enrolment, now: Timestamp) -> Result<Node> {
        let found = self.invites.iter().position(|invite| invite.id == enrolment.invite);
        // Whoever guesses an id learns no more than whoever guesses a secret.
        let at = found.ok_or(InviteError::WrongSecret)?;
        let mut invite = self.invites[at].clone();
        let owner = invite.owner;
        match invite.enroll(enrolment, |name| self.is_taken(owner, name, None), now)? {
            Enrolled::Replay(node) => Ok(self.nodes[self.position(node)?].clone()),
            Enrolled::New(node) if self.position(node.id).is_ok() => {
                Err(refusal::node_exists(node.id))
            }
            Enrolled::New(node) => {
                self.invites[at] = invite;
                self.nodes.push(Node::clone(&node));
                Ok(*node)
            }
        }
    }

    fn amend(&mut self, id: NodeId, changes: Vec<NodeChange>) -> Result<Node> {
        let at = self.position(id)?;
        self.nodes[at].amend(changes)?;
        let node = self.nodes[at].clone();
        // A live node's name is its own, so only a new one can be taken.
        if node.admission != Admission::Retired && self.is_taken(node.owner, &node.name, Some(id)) {
            return Err(refusal::name_taken(&node.name));
        }
        Ok(node)
    }
}

/// No code that holds one of these locks leaves its value half changed, even by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn storage(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = format!("the registry's file: {error}");
    Error::new(ErrorKind::Unavailable, "keep nodes", message).with_source(error)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    keep_the_contract(dir.path()).await;
    println!("the registry keeps its contract");

    let file = dir.path().join("nodes.json");
    let who = Principal::full(UserId::generate(), Role::Member);
    with_hub(dir.path(), &file, async |hub| {
        for name in ["lab-1", "lab-2"] {
            let draft = InviteDraft { name: name.to_owned(), ..InviteDraft::default() };
            hub.invite(&who, draft, None).await?;
        }
        Ok(())
    })
    .await?;
    println!("{} has {} bytes", file.display(), std::fs::metadata(&file)?.len());
    with_hub(dir.path(), &file, async |hub| {
        let invites = hub.invites(&who).await?;
        for invite in &invites {
            println!("after a restart: invite {} for {}", invite.id, invite.name);
        }
        anyhow::ensure!(invites.len() == 2, "an invite was lost");
        Ok(())
    })
    .await
}

/// What a test of the registry would do; panics with the promise that is broken.
async fn keep_the_contract(dir: &Path) {
    let count = AtomicUsize::new(0);
    let open = |path| -> Arc<dyn NodeRegistry> {
        Arc::new(JsonRegistry::open(path).expect("the file can be read"))
    };
    contract::node_registry(async || {
        open(dir.join(format!("case-{}.json", count.fetch_add(1, Ordering::Relaxed))))
    })
    .await;
    contract::node_registry_reopened(async |_| open(dir.join("reopened.json"))).await;
}

/// Runs a hub on the registry while `act` uses it.
async fn with_hub(
    dir: &Path,
    file: &Path,
    act: impl AsyncFnOnce(Hub) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let registry = JsonRegistry::open(file.to_owned())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let builder = HubBuilder::default().data_dir(dir.join("hub")).registry(Arc::new(registry));
    let (hub, driver) = builder.build(&listener).await?;
    let shutdown = CancellationToken::new();
    tokio::try_join!(
        async { driver.run(listener, None, shutdown.clone()).await.context("hub") },
        async {
            act(hub).await?;
            shutdown.cancel();
            Ok(())
        },
    )?;
    Ok(())
}
