//! What the tasks of a kill test do: each begins with a line of its own on the node's canary, and
//! puts out a text that only it has, so that every byte lost, doubled or mixed up is seen.

use cortex_core::task::Stream;

/// What one task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// In each line of its output; no other task has it.
    pub(crate) key: String,
    /// Lines on standard output, and as many on standard error where there are fewer than a hundred.
    pub(crate) lines: u32,
    /// Tenths of a second between two lines.
    pub(crate) pause: u32,
    /// What it ends with.
    pub(crate) code: u8,
}

/// More lines than this come without a pause, and from standard output alone.
const FEW: u32 = 100;

impl Script {
    /// What the node is asked to run; `canary` is a file on the node.
    pub(crate) fn argv(&self, canary: &str) -> Vec<String> {
        let Self { key, lines, pause, code } = self;
        let begin = format!("echo \"$CORTEX_TASK $CORTEX_ATTEMPT\" >> '{canary}'");
        let work = if *lines > FEW {
            format!("seq -f '{key} %.0f' {lines}")
        } else {
            let nap = match pause {
                0 => ":".to_owned(),
                tenths => format!("sleep {}", f64::from(*tenths) / 10.0),
            };
            format!(
                "n=0; while [ $n -lt {lines} ]; do n=$((n + 1)); \
                 echo \"{key} $n\"; echo \"{key} error $n\" >&2; {nap}; done"
            )
        };
        let script = format!("{begin}; {work}; exit {code}");
        ["sh", "-c", &script].map(str::to_owned).to_vec()
    }

    /// What it puts out when it runs to its end.
    pub(crate) fn output(&self, stream: Stream) -> Vec<u8> {
        let Self { key, lines, .. } = self;
        let word = match stream {
            Stream::Stdout => "",
            Stream::Files => return Vec::new(),
            Stream::Stderr if *lines > FEW => return Vec::new(),
            Stream::Stderr => "error ",
        };
        let line = |number: u32| format!("{key} {word}{number}\n");
        (1..=*lines).map(line).collect::<String>().into_bytes()
    }
}
