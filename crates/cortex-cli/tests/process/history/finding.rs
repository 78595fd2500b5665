//! What may be wrong with a history.

use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::receipt::Fault;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::TransitionError;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Finding {
    #[error("{0} was acknowledged and is not stored")]
    NotStored(TaskId),
    #[error("{0} has a row, and its log knows nothing of it")]
    NotLogged(TaskId),
    #[error("{0} has {1} ends in its log")]
    Ends(TaskId, usize),
    #[error("{task}: a client was told {told:?}, stored is {stored:?}")]
    ToldOtherwise { task: TaskId, told: State, stored: State },
    #[error("{task}: event {seq} does not fit: {error}")]
    Misfit { task: TaskId, seq: u64, error: TransitionError },
    #[error("{0}: event {1} is of a task that nobody submitted")]
    Unsubmitted(TaskId, u64),
    #[error("{0}: submitted a second time by event {1}")]
    Resubmitted(TaskId, u64),
    #[error("{0}: its row is not what its log makes of it")]
    RowDiffers(TaskId),
    #[error("{session}: event {found} follows event {after}")]
    Sequence { session: SessionId, after: u64, found: u64 },
    #[error("{task}: attempt {attempt} was started {times} times")]
    StartedAgain { task: TaskId, attempt: u32, times: usize },
    #[error("{0}: attempts {1} and {2} were both started")]
    RanTwice(TaskId, u32, u32),
    #[error("{0}: attempt {1} was started, which no node was given")]
    NotGiven(TaskId, u32),
    #[error("{0}: attempt {1} was started, and taken back as if it never left the hub")]
    TakenBack(TaskId, u32),
    #[error("{0} has {1:?}, and its program never began")]
    NeverBegan(TaskId, State),
    #[error("{0} was refused, and its program began all the same")]
    RefusedYetBegan(TaskId),
    #[error("process {1} of {0} is alive after its end")]
    Alive(TaskId, u32),
    #[error("{task} {stream:?}: {what}")]
    Output { task: TaskId, stream: Stream, what: Difference },
    #[error("{0}: its end is not countersigned")]
    NoReceipt(TaskId),
    #[error("{task}: receipt: {fault}")]
    Receipt { task: TaskId, fault: Fault },
    #[error("{0}: countersigned by {1}, whom nobody knows")]
    UnknownNode(TaskId, NodeId),
    #[error("{0}: the chain of its receipts does not end where its row says")]
    Chain(SessionId),
}

/// How two texts differ that should be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Difference {
    #[error("{have} bytes are stored, the log counts {counted}")]
    Counted { have: u64, counted: u64 },
    #[error("byte {at} is not what the program wrote")]
    Content { at: u64 },
    #[error("{missing} bytes are missing at the end of what the program wrote")]
    Short { missing: u64 },
    #[error("{more} bytes more than the program wrote")]
    Long { more: u64 },
    #[error("the API gives out something else than is stored")]
    Served,
    #[error("the receipt states something else than is stored")]
    Stated,
}
