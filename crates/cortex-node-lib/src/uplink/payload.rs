//! Payloads of signed messages, decoded. Only called with bytes that were verified.

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::policy::SandboxPolicy;
use cortex_proto::convert::bundle;
use cortex_proto::convert::policy;
use cortex_proto::v1;
use prost::Message;

use super::SealedBundle;

pub(crate) use cortex_proto::convert::CancelOrder;
pub(crate) use cortex_proto::convert::ControlAct;
pub(crate) use cortex_proto::convert::ControlOrder;
pub(crate) use cortex_proto::convert::InputOrder;
pub(crate) use cortex_proto::convert::TaskOrder;
pub(crate) use cortex_proto::limits::MAX_WAITING_INPUT_BYTES;

/// What an envelope calls a task.
pub(crate) const TASK_TYPE: &str = TaskOrder::TYPE;
/// What an envelope calls a cancel.
pub(crate) const CANCEL_TYPE: &str = CancelOrder::TYPE;
/// What an envelope calls a control.
pub(crate) const CONTROL_TYPE: &str = ControlOrder::TYPE;
/// What an envelope calls an input.
pub(crate) const INPUT_TYPE: &str = InputOrder::TYPE;
/// What an envelope calls a policy.
pub(crate) const POLICY_TYPE: &str = policy::TYPE;

/// What an envelope calls a trust bundle.
pub(crate) const BUNDLE_TYPE: &str = bundle::TYPE;

/// Reads a trust bundle; nothing in it is verified.
///
/// # Errors
/// `Invalid`: the bytes are no message with a bundle.
pub(crate) fn read_bundle(payload: Bytes) -> Result<SealedBundle> {
    decode::<v1::TrustBundle>(payload).map(SealedBundle::from)
}

/// Reads a task.
///
/// # Errors
/// `Invalid`: the bytes are no task, or none that can be right.
pub(crate) fn read_task(payload: Bytes) -> Result<TaskOrder> {
    Ok(decode::<v1::TaskRequest>(payload)?.try_into()?)
}

/// Reads a cancel.
///
/// # Errors
/// `Invalid`: the bytes are no cancel.
pub(crate) fn read_cancel(payload: Bytes) -> Result<CancelOrder> {
    Ok(decode::<v1::CancelRequest>(payload)?.try_into()?)
}

/// Reads a control.
///
/// # Errors
/// `Invalid`: the bytes are no control, or one of a newer hub.
pub(crate) fn read_control(payload: Bytes) -> Result<ControlOrder> {
    Ok(decode::<v1::ControlRequest>(payload)?.try_into()?)
}

/// Reads an input.
///
/// # Errors
/// `Invalid`: the bytes are no input, or one of a newer hub.
pub(crate) fn read_input(payload: Bytes) -> Result<InputOrder> {
    Ok(decode::<v1::TaskInput>(payload)?.try_into()?)
}

/// Reads a policy.
///
/// # Errors
/// `Invalid`: the bytes are no policy, or one with broken rules.
pub(crate) fn read_policy(payload: Bytes) -> Result<SandboxPolicy> {
    Ok(decode::<v1::SandboxPolicy>(payload)?.try_into()?)
}

impl From<v1::TrustBundle> for SealedBundle {
    fn from(wire: v1::TrustBundle) -> Self {
        Self { bundle: wire.bundle, signature: wire.signature }
    }
}

fn decode<M: Message + Default>(payload: Bytes) -> Result<M> {
    M::decode(payload).map_err(|error| {
        Error::new(ErrorKind::Invalid, "read message", error.to_string()).with_code("bad_message")
    })
}
