//! Terminals: what is asked for, their screens, and the text messages of their WebSocket.

use serde::Deserialize;
use serde::Serialize;

use super::Problem;
use super::TaskInfo;

/// The terminal that a task asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TerminalDraft {
    /// Characters in a row, 1 to 500; 80 if absent.
    #[serde(default = "default_cols")]
    pub cols: u16,
    /// Rows, 1 to 500; 24 if absent.
    #[serde(default = "default_rows")]
    pub rows: u16,
    /// What kind it is, for the program's `TERM`; `xterm-256color` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
}

fn default_cols() -> u16 {
    80
}

fn default_rows() -> u16 {
    24
}

/// What a terminal shows, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScreenInfo {
    /// Characters in a row.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// The rows' text, without blanks at their ends.
    pub lines: Vec<String>,
    /// Rows that have scrolled out, oldest first; as many as were asked for and are kept.
    pub scrollback: Vec<String>,
    /// Where the cursor is.
    pub cursor: CursorInfo,
    /// Whether a full-screen program has the screen.
    pub alternate: bool,
    /// Whether arrows are to be typed as keys of an application (`ESC O A`, not `ESC [ A`).
    #[serde(default)]
    pub application_arrows: bool,
    /// Whether a paste is to be typed between `ESC [ 200 ~` and `ESC [ 201 ~`.
    #[serde(default)]
    pub bracketed_paste: bool,
    /// Bytes of output that it shows.
    #[serde(default)]
    pub offset: u64,
    /// The rows with how they look; on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Vec<Vec<RunInfo>>>,
    /// Escape sequences that make another terminal of the same size show the same; on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawing: Option<String>,
}

/// Characters of a row that look the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunInfo {
    /// The characters.
    pub text: String,
    /// Their colour: a number of the terminal's palette, or `#rrggbb`; its own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fg: Option<String>,
    /// The colour behind them, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bg: Option<String>,
    /// Whether they are bold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bold: bool,
    /// Whether they are faint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dim: bool,
    /// Whether they are italic.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub italic: bool,
    /// Whether they are underlined.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub underline: bool,
    /// Whether the two colours change places.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverse: bool,
}

/// Where a terminal's cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CursorInfo {
    /// Its row, from 0 at the top.
    pub row: u16,
    /// Its column, from 0 at the left.
    pub col: u16,
    /// Whether it is shown.
    pub visible: bool,
}

/// What a client says on a terminal's WebSocket, besides the bytes that it types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum TerminalRequest {
    /// Gives the terminal another size.
    Resize {
        /// Characters in a row, 1 to 500.
        cols: u16,
        /// Rows, 1 to 500.
        rows: u16,
    },
    /// Says that nothing more will be typed.
    Close,
}

/// What the hub says on a terminal's WebSocket, besides the bytes that the terminal shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TerminalEvent {
    /// The terminal's screen: the next message has what draws it on an empty one of this size.
    /// Comes first, and again where so much was missed that only the screen is of interest.
    Screen {
        /// Characters in a row.
        cols: u16,
        /// Rows.
        rows: u16,
        /// Bytes of output that it shows.
        offset: u64,
    },
    /// What follows comes after the bytes that the client has shown; comes first in place of a
    /// screen.
    Resume {
        /// Bytes of output that it has shown.
        offset: u64,
    },
    /// The terminal has another size from here on.
    Size {
        /// Characters in a row.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// The program has ended; nothing follows.
    Exit {
        /// The task.
        task: Box<TaskInfo>,
    },
    /// Something is wrong; nothing follows.
    Problem {
        /// What.
        problem: Problem,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_look_as_they_are_described() {
        let text = |event: &TerminalEvent| serde_json::to_string(event).unwrap();
        let screen = TerminalEvent::Screen { cols: 80, rows: 24, offset: 7 };
        assert_eq!(text(&screen), r#"{"type":"screen","cols":80,"rows":24,"offset":7}"#);
        let resize = r#"{"type":"resize","cols":100,"rows":40}"#;
        let read = |text: &str| serde_json::from_str::<TerminalRequest>(text);
        assert_eq!(read(resize).unwrap(), TerminalRequest::Resize { cols: 100, rows: 40 });
        assert_eq!(read(r#"{"type":"close"}"#).unwrap(), TerminalRequest::Close);
        for bad in [r#"{"type":"paste"}"#, r#"{"type":"resize","cols":-1,"rows":1}"#, "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
