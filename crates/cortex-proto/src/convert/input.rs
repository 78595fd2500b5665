//! What is put into running tasks, the payload of signed messages.

use cortex_core::id::TaskId;
use cortex_core::task::Input;
use cortex_core::task::Signal;
use cortex_core::task::Terminal;
use cortex_core::task::Window;

use super::ConvertError;
use super::parse_id;
use crate::limits::MAX_INPUT_BYTES;
use crate::v1;

/// An input as a node gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputOrder {
    /// The task.
    pub task: TaskId,
    /// Its number: the attempt takes none that is not above the last.
    pub number: u64,
    /// What it is.
    pub input: Input,
}

impl InputOrder {
    /// The name of the wire message, as envelopes carry it.
    pub const TYPE: &'static str = "cortex.v1.TaskInput";
}

impl From<InputOrder> for v1::TaskInput {
    fn from(order: InputOrder) -> Self {
        use v1::task_input::Body;
        let body = match order.input {
            Input::Data(data) => Body::Data(data),
            Input::Resize(window) => Body::Resize(window.into()),
            Input::Close => Body::Close(v1::CloseInput {}),
            Input::Signal(signal) => Body::Signal(signal.number().into()),
        };
        Self { task_id: order.task.to_string(), number: order.number, body: Some(body) }
    }
}

impl TryFrom<v1::TaskInput> for InputOrder {
    type Error = ConvertError;

    fn try_from(wire: v1::TaskInput) -> Result<Self, ConvertError> {
        use v1::task_input::Body;
        let input = match wire.body.ok_or(ConvertError::Missing("body"))? {
            Body::Data(data) if data.is_empty() || data.len() > MAX_INPUT_BYTES => {
                let reason = format!("{} bytes, allowed are 1 to {MAX_INPUT_BYTES}", data.len());
                return Err(ConvertError::bad("data", reason));
            }
            Body::Data(data) => Input::Data(data),
            Body::Resize(window) => Input::Resize(window.try_into()?),
            Body::Close(v1::CloseInput {}) => Input::Close,
            Body::Signal(number) => {
                let is_it = |signal: &&Signal| i32::from(signal.number()) == number;
                let signal = Signal::ALL.iter().find(is_it);
                let known = signal.ok_or_else(|| ConvertError::bad("signal", "no known signal"));
                Input::Signal(*known?)
            }
        };
        Ok(Self { task: parse_id("task_id", &wire.task_id)?, number: wire.number, input })
    }
}

impl From<Window> for v1::WindowSize {
    fn from(window: Window) -> Self {
        Self { cols: window.cols().into(), rows: window.rows().into() }
    }
}

impl TryFrom<v1::WindowSize> for Window {
    type Error = ConvertError;

    fn try_from(wire: v1::WindowSize) -> Result<Self, ConvertError> {
        // What does not fit is too large in any case.
        let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
        Window::new(side(wire.cols), side(wire.rows))
            .map_err(|error| ConvertError::bad("window", error))
    }
}

impl From<Terminal> for v1::TerminalOptions {
    fn from(terminal: Terminal) -> Self {
        Self { window: Some(terminal.window.into()), term: terminal.term }
    }
}

impl TryFrom<v1::TerminalOptions> for Terminal {
    type Error = ConvertError;

    fn try_from(wire: v1::TerminalOptions) -> Result<Self, ConvertError> {
        let window = wire.window.ok_or(ConvertError::Missing("terminal.window"))?;
        Ok(Self { window: window.try_into()?, term: wire.term })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn wire(body: Option<v1::task_input::Body>) -> v1::TaskInput {
        let task_id = TaskId::from_bytes([7; 16]).to_string();
        v1::TaskInput { task_id, number: 9, body }
    }

    #[test]
    fn every_input_survives_the_way() {
        let window = Window::new(132, 43).unwrap();
        let data = Bytes::from_static(b"\x03\xff");
        let signals = Signal::ALL.iter().map(|signal| Input::Signal(*signal));
        let inputs = [Input::Data(data), Input::Resize(window), Input::Close];
        for input in inputs.into_iter().chain(signals) {
            let order = InputOrder { task: TaskId::from_bytes([7; 16]), number: 9, input };
            assert_eq!(InputOrder::try_from(v1::TaskInput::from(order.clone())), Ok(order));
        }
    }

    #[test]
    fn what_cannot_be_an_input_is_refused() {
        use v1::task_input::Body;
        let long = Bytes::from(vec![0; MAX_INPUT_BYTES + 1]);
        for data in [Bytes::new(), long] {
            assert!(InputOrder::try_from(wire(Some(Body::Data(data)))).is_err());
        }
        for (cols, rows) in [(0, 1), (1, 501), (1 << 16, 24)] {
            let resize = Body::Resize(v1::WindowSize { cols, rows });
            assert!(InputOrder::try_from(wire(Some(resize))).is_err(), "{cols}x{rows}");
        }
        for number in [0, 11, -1] {
            assert!(InputOrder::try_from(wire(Some(Body::Signal(number)))).is_err(), "{number}");
        }
        assert_eq!(InputOrder::try_from(wire(None)), Err(ConvertError::Missing("body")));
    }
}
