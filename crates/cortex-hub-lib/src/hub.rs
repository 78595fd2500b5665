//! The hub's handle: everything that people and programs can ask of it, with the access rules
//! applied. It knows neither HTTP nor gRPC nor SQL.

mod admission;
mod audit;
mod drain;
mod enforce;
mod explain;
mod files;
mod follow;
mod grants;
mod input;
mod invites;
mod lines;
mod log;
mod mesh;
mod nodes;
mod receipts;
mod rekey;
mod renewal;
mod repeat;
mod rotation;
mod secrets;
mod sessions;
mod skills;
mod streams;
mod tasks;
mod terminal;
mod waiting;

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::AccessError;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::HubId;
use cortex_core::id::UserId;
use cortex_core::registry::NodeRegistry;
use cortex_core::session::SessionStore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use admission::Applicant;
pub(crate) use admission::MAX_VERSION;
pub(crate) use admission::NodeToken;
pub use audit::AuditReader;
pub use explain::Explanation;
pub use explain::Fitness;
pub use files::FileReader;
pub use follow::Follow;
pub use follow::OutputCursor;
pub use follow::OutputFollower;
pub use input::Keyboard;
pub use invites::InviteDraft;
pub use invites::IssuedInvite;
pub use log::LogReader;
pub(crate) use mesh::Mesh;
pub(crate) use mesh::Order;
pub(crate) use mesh::Row as MeshRow;
pub use receipts::Part as ReceiptPart;
pub use receipts::ReceiptReader;
pub(crate) use rekey::RekeyClaim;
pub(crate) use renewal::RenewalClaim;
pub use rotation::TrustState;
pub use skills::SkillOffer;
pub(crate) use streams::Opened;
pub(crate) use streams::Registration;
pub(crate) use streams::StreamClaim;
pub use tasks::TaskDraft;
pub use terminal::Attached;
pub use terminal::TerminalReader;
pub use terminal::TerminalStep;
pub use waiting::PoolState;
pub use waiting::Waiting;

use crate::accounts::Accounts;
use crate::config::HubConfig;
use crate::dispatch::Dispatch;
use crate::feed::Changes;
use crate::feed::Feed;
use crate::link::Arrival;
use crate::link::Table;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::trust::Trust;

/// A running hub. Clones are cheap and mean the same hub.
///
/// Made by [`HubBuilder`](crate::HubBuilder). Methods that take a [`Principal`] answer
/// `NotFound` for everything that is somebody else's, as if it were not there.
///
/// # Cancel safety
/// Methods that change something run to their end once begun: dropping their future only gives up
/// the answer.
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

/// What a hub is made of; put together by the builder.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: HubConfig,
    pub(crate) store: Store,
    pub(crate) registry: Arc<dyn NodeRegistry>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) trust: Trust,
    pub(crate) accounts: Accounts,
    pub(crate) links: Arc<Table>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) dispatch: Dispatch,
    pub(crate) metrics: Metrics,
    pub(crate) known: sessions::Known,
    pub(crate) screens: terminal::Screens,
    pub(crate) looks: mesh::Looks,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) work: TaskTracker,
}

impl Hub {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The hub's id, made at its first start.
    #[must_use]
    pub fn id(&self) -> HubId {
        self.inner.trust.hub()
    }

    /// The version of this library.
    #[must_use]
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The configuration that the hub was built with.
    #[must_use]
    pub fn config(&self) -> &HubConfig {
        &self.inner.config
    }

    /// Users, logins and tokens.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// The hub's counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Cancelled when the hub shuts down: streams end then.
    #[must_use]
    pub fn shutdown_token(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Whether the hub can work: asks the database.
    ///
    /// # Errors
    /// `Unavailable`: the hub shuts down, or the database does not answer.
    pub async fn ready(&self) -> Result<()> {
        if self.inner.shutdown.is_cancelled() {
            return Err(Error::new(ErrorKind::Unavailable, "check hub", "the hub shuts down"));
        }
        self.inner.store.ping().await
    }

    /// Changes of nodes and tasks from now on, as far as `who` may see them.
    #[must_use]
    pub fn watch(&self, who: &Principal) -> Changes {
        Changes::new(self.inner.feed.changes(), who.clone(), self.shutdown_token())
    }

    /// Writes what is on its way and closes the database.
    pub(crate) async fn close_store(&self) -> Result<()> {
        self.inner.store.close().await
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    pub(crate) fn links(&self) -> &Table {
        &self.inner.links
    }

    pub(crate) fn dispatch(&self) -> &Dispatch {
        &self.inner.dispatch
    }

    /// Runs something that the hub awaits when it shuts down.
    pub(crate) fn track(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.work.spawn(work);
    }

    /// Runs `work` to its end even if the caller goes away.
    async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let done = self.inner.work.spawn(work).await;
        done.unwrap_or_else(|failure| {
            Err(Error::new(ErrorKind::Internal, "work", "a task of the hub failed")
                .with_source(failure))
        })
    }
}

/// Refuses what `who` may not do with something of `owner`'s; `missing` is the answer for what
/// they may not even see.
fn check_access(
    who: &Principal,
    scope: Scope,
    owner: UserId,
    missing: impl FnOnce() -> Error,
) -> Result<()> {
    check(who.may(scope, owner), missing)
}

/// Puts the core's verdict into words.
fn check(
    verdict: std::result::Result<(), AccessError>,
    missing: impl FnOnce() -> Error,
) -> Result<()> {
    verdict.map_err(|error| match error {
        AccessError::Hidden => missing(),
        denied => denied_error(denied),
    })
}

/// Refuses what the credential is not good for.
fn check_scope(who: &Principal, scope: Scope) -> Result<()> {
    who.holds(scope).map_err(denied_error)
}

fn denied_error(error: AccessError) -> Error {
    let denied = Error::new(ErrorKind::Denied, "check access", error.to_string());
    match error {
        AccessError::Scope(scope) => denied.with_code("missing_scope").with_hint(format!(
            "use a token that has it: cortex-cli token create --scope {}",
            scope.word()
        )),
        AccessError::Beyond(_) => denied
            .with_code("not_granted")
            .with_hint("ask its owner: cortex-cli node share NODE USER --manage"),
        _ => denied.with_code("denied"),
    }
}
