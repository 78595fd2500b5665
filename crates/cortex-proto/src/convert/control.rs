//! Control of a node itself, the payload of signed messages.

use super::ConvertError;
use crate::v1;

/// What a node is told about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlOrder {
    /// What to do.
    pub act: ControlAct,
    /// Why.
    pub reason: String,
}

/// Things that a node can be told about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlAct {
    /// It was locked: end all tasks at once.
    Suspend,
    /// It was removed for ever: end all tasks at once, erase the keys, stop.
    Deregister,
}

impl ControlOrder {
    /// The name of the wire message, as envelopes carry it.
    pub const TYPE: &'static str = "cortex.v1.ControlRequest";
}

impl From<ControlOrder> for v1::ControlRequest {
    fn from(order: ControlOrder) -> Self {
        use v1::control_request::Action;
        let action = match order.act {
            ControlAct::Suspend => Action::Suspend,
            ControlAct::Deregister => Action::Deregister,
        };
        Self { action: action.into(), reason: order.reason }
    }
}

impl TryFrom<v1::ControlRequest> for ControlOrder {
    type Error = ConvertError;

    fn try_from(wire: v1::ControlRequest) -> Result<Self, ConvertError> {
        use v1::control_request::Action;
        let act = match wire.action() {
            Action::Suspend => ControlAct::Suspend,
            Action::Deregister => ControlAct::Deregister,
            Action::Unspecified => return Err(ConvertError::Missing("action")),
        };
        Ok(Self { act, reason: wire.reason })
    }
}
