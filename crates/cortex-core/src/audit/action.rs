//! What can be done, in words.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What was done. The words are stored and signed for: they never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// All actions.
            pub const ALL: &[Action] = &[$(Action::$name,)*];

            /// The word of the record and of the wire, e.g. `"node.lock"`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Action::$name => $word,)* }
            }
        }
    };
}

actions! {
    /// A request was refused for its credential, or its lack of one.
    AccessRefuse = "access.refuse",
    /// An invite was made.
    InviteCreate = "invite.create",
    /// An invite was made useless.
    InviteWithdraw = "invite.withdraw",
    /// Somebody signed in, or tried to.
    LoginBegin = "login.begin",
    /// A login got its next tokens.
    LoginRefresh = "login.refresh",
    /// A login was ended.
    LoginEnd = "login.end",
    /// A machine became a node, or tried to.
    NodeEnrol = "node.enrol",
    /// A node was given another name.
    NodeRename = "node.rename",
    /// A node was given other labels.
    NodeLabel = "node.label",
    /// A node takes no new tasks.
    NodeCordon = "node.cordon",
    /// A node takes no new tasks, and was told to come to an end with those that it has.
    NodeDrain = "node.drain",
    /// A node takes tasks again.
    NodeUncordon = "node.uncordon",
    /// A node was locked out.
    NodeLock = "node.lock",
    /// A node was let in again.
    NodeUnlock = "node.unlock",
    /// A node was shared with a user; the detail says for what.
    NodeShare = "node.share",
    /// A node is shared with a user no more.
    NodeUnshare = "node.unshare",
    /// A node was locked because there may be a copy of it; the detail says how that showed.
    NodeSuspect = "node.suspect",
    /// A node got its next certificate.
    NodeRenew = "node.renew",
    /// A node replaced its identity key; the detail names both.
    NodeRekey = "node.rekey",
    /// A node was removed for ever.
    NodeRemove = "node.remove",
    /// A session was made.
    SessionCreate = "session.create",
    /// A session was closed.
    SessionClose = "session.close",
    /// A node was attached to a session.
    SessionAttach = "session.attach",
    /// A node was detached from a session.
    SessionDetach = "session.detach",
    /// A task was submitted.
    TaskSubmit = "task.submit",
    /// A task's end was asked for.
    TaskCancel = "task.cancel",
    /// Something was put into a running task, or a terminal was opened to type into.
    TaskInput = "task.input",
    /// A running task was sent a signal; the detail says which.
    TaskSignal = "task.signal",
    /// An API token was made.
    TokenCreate = "token.create",
    /// An API token was made useless.
    TokenRevoke = "token.revoke",
    /// The next key of a ring was made known; the detail of all of these says of which ring.
    TrustPrepare = "trust.prepare",
    /// The next key of a ring is used.
    TrustActivate = "trust.activate",
    /// The former key of a ring got an end.
    TrustTaint = "trust.taint",
    /// The former key of a ring is accepted no more.
    TrustRevoke = "trust.revoke",
    /// The last step of a rotation was taken back.
    TrustRollback = "trust.rollback",
    /// A user was made.
    UserCreate = "user.create",
    /// A user was changed; the detail says what.
    UserChange = "user.change",
}

/// The word is no action's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no action is called \"{0}\"")]
pub struct UnknownAction(String);

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|action| action.word() == word);
        found.ok_or_else(|| UnknownAction(word.to_owned()))
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}
