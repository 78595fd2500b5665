//! The mark that a task's processes carry: two variables, which children inherit wherever they go.
//!
//! Programs may read them as well, to know which task they are part of. A descendant that leaves
//! group and session, and whose parents have ended, is still found by it.

use cortex_core::id::TaskId;
use cortex_core::skill::Invocation;

const TASK: &str = "CORTEX_TASK";
const ATTEMPT: &str = "CORTEX_ATTEMPT";

/// Which attempt of which task a process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The task.
    pub task: TaskId,
    /// Its attempt, from 1.
    pub attempt: u32,
}

impl Mark {
    /// The mark of what an invocation starts.
    pub(super) fn of(invocation: &Invocation) -> Self {
        Self { task: invocation.task, attempt: invocation.attempt }
    }

    /// The variables.
    pub(super) fn variables(self) -> [(&'static str, String); 2] {
        [(TASK, self.task.to_string()), (ATTEMPT, self.attempt.to_string())]
    }

    /// The mark in a process's variables, as `/proc/<pid>/environ` has them.
    pub(super) fn read(variables: &[u8]) -> Option<Self> {
        let value = |name: &str| {
            let mut variables = variables.split(|byte| *byte == 0);
            let value =
                variables.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            std::str::from_utf8(value?).ok()
        };
        Some(Self { task: value(TASK)?.parse().ok()?, attempt: value(ATTEMPT)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_where_both_variables_are() {
        let mark = Mark { task: TaskId::from_bytes([7; 16]), attempt: 3 };
        let [(task, id), (attempt, number)] = mark.variables();
        let both = format!("A=b\0{attempt}={number}\0X{task}=no\0{task}={id}\0");
        assert_eq!(Mark::read(both.as_bytes()), Some(mark));
        assert_eq!(Mark::read(format!("{task}={id}\0").as_bytes()), None);
        assert_eq!(Mark::read(format!("{task}=x\0{attempt}={number}").as_bytes()), None);
        assert_eq!(Mark::read(b""), None);
    }
}
