//! Tasks and cancels, the payloads of signed messages.

use std::time::Duration;

use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::task::InputFile;
use cortex_core::task::Secrets;
use cortex_core::task::ShellWork;
use cortex_core::task::TaskSpec;
use cortex_core::task::Terminal;
use cortex_core::task::Work;

use zeroize::Zeroizing;

use super::ConvertError;
use super::parse_id;
use crate::v1;

/// A task as a node gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskOrder {
    /// The task.
    pub task: TaskId,
    /// Its session.
    pub session: SessionId,
    /// What is to be done.
    pub work: Work,
    /// Ends the task when it has run this long.
    pub timeout: Option<Duration>,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// What its process gets and its output never shows.
    pub secrets: Secrets,
}

/// A cancel as a node gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// The task.
    pub task: TaskId,
    /// Why.
    pub reason: String,
}

impl TaskOrder {
    /// The name of the wire message, as envelopes carry it.
    pub const TYPE: &'static str = "cortex.v1.TaskRequest";

    /// What a node is told of a task.
    #[must_use]
    pub fn of(task: TaskId, session: SessionId, spec: &TaskSpec) -> Self {
        let (work, secrets) = (spec.work.clone(), spec.given.clone());
        Self { task, session, work, timeout: spec.timeout, grace: spec.grace, secrets }
    }
}

impl CancelOrder {
    /// The name of the wire message, as envelopes carry it.
    pub const TYPE: &'static str = "cortex.v1.CancelRequest";
}

impl From<TaskOrder> for v1::TaskRequest {
    fn from(order: TaskOrder) -> Self {
        use v1::task_request::Payload;
        let payload = match order.work {
            Work::Shell(work) => Some(Payload::Shell(work.into())),
            Work::Skill { name, input, files } => {
                let input_json = input.to_string().into_bytes().into();
                let file = |file: InputFile| v1::TaskFile { name: file.name, data: file.data };
                let files = files.into_iter().map(file).collect();
                Some(Payload::Skill(v1::SkillTask { name, input_json, files }))
            }
            _ => None,
        };
        Self {
            payload,
            task_id: order.task.to_string(),
            session_id: order.session.to_string(),
            timeout_ms: order.timeout.map_or(0, to_millis),
            grace_ms: to_millis(order.grace),
            secrets: order.secrets.iter().map(wire_secret).collect(),
        }
    }
}

impl TryFrom<v1::TaskRequest> for TaskOrder {
    type Error = ConvertError;

    fn try_from(wire: v1::TaskRequest) -> Result<Self, ConvertError> {
        use v1::task_request::Payload;
        let work = match wire.payload.ok_or(ConvertError::Missing("payload"))? {
            Payload::Shell(shell) => Work::Shell(shell.try_into()?),
            Payload::Skill(skill) => Work::Skill {
                name: skill.name,
                input: serde_json::from_slice(&skill.input_json)
                    .map_err(|error| ConvertError::bad("skill.input_json", error))?,
                files: skill
                    .files
                    .into_iter()
                    .map(|file| InputFile { name: file.name, data: file.data })
                    .collect(),
            },
            Payload::Browser(_) => {
                return Err(ConvertError::bad("payload", "this node has no browser skill"));
            }
        };
        let mut spec = TaskSpec::new(work);
        spec.timeout = (wire.timeout_ms > 0).then(|| Duration::from_millis(wire.timeout_ms));
        spec.grace = Duration::from_millis(wire.grace_ms);
        spec.check().map_err(|error| ConvertError::bad("payload", error))?;
        let secrets = Secrets::new(
            wire.secrets.into_iter().map(|secret| (secret.name, Zeroizing::new(secret.value))),
        );
        let secrets = secrets.map_err(|error| ConvertError::bad("secrets", error))?;
        Ok(Self {
            task: parse_id("task_id", &wire.task_id)?,
            session: parse_id("session_id", &wire.session_id)?,
            work: spec.work,
            timeout: spec.timeout,
            grace: spec.grace,
            secrets,
        })
    }
}

impl From<ShellWork> for v1::ShellTask {
    fn from(work: ShellWork) -> Self {
        let mut argv = work.argv.into_iter();
        Self {
            program: argv.next().unwrap_or_default(),
            args: argv.collect(),
            line: work.line.unwrap_or_default(),
            cwd: work.cwd.unwrap_or_default(),
            env: work.env.into_iter().collect(),
            stdin: work.stdin,
            open_stdin: work.open_stdin,
            terminal: work.terminal.map(v1::TerminalOptions::from),
        }
    }
}

impl TryFrom<v1::ShellTask> for ShellWork {
    type Error = ConvertError;

    fn try_from(wire: v1::ShellTask) -> Result<Self, ConvertError> {
        if wire.program.is_empty() && !wire.args.is_empty() {
            return Err(ConvertError::Missing("shell.program"));
        }
        let argv = if wire.program.is_empty() {
            Vec::new()
        } else {
            std::iter::once(wire.program).chain(wire.args).collect()
        };
        Ok(Self {
            argv,
            line: (!wire.line.is_empty()).then_some(wire.line),
            cwd: (!wire.cwd.is_empty()).then_some(wire.cwd),
            env: wire.env.into_iter().collect(),
            stdin: wire.stdin,
            open_stdin: wire.open_stdin,
            terminal: wire.terminal.map(Terminal::try_from).transpose()?,
        })
    }
}

impl From<CancelOrder> for v1::CancelRequest {
    fn from(order: CancelOrder) -> Self {
        Self { task_id: order.task.to_string(), reason: order.reason }
    }
}

impl TryFrom<v1::CancelRequest> for CancelOrder {
    type Error = ConvertError;

    fn try_from(wire: v1::CancelRequest) -> Result<Self, ConvertError> {
        Ok(Self { task: parse_id("task_id", &wire.task_id)?, reason: wire.reason })
    }
}

fn wire_secret((name, value): (&str, &str)) -> v1::TaskSecret {
    v1::TaskSecret { name: name.to_owned(), value: value.to_owned() }
}

fn to_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn any_work() -> impl Strategy<Value = ShellWork> {
        let argv = prop::collection::vec("[^\0]{1,8}", 1..5);
        let env = prop::collection::btree_map("[A-Z]{1,4}", "[^\0]{0,8}", 0..3);
        let stdin = prop::collection::vec(any::<u8>(), 0..32);
        (argv, prop::option::of("/[a-z]{1,8}"), env, stdin).prop_map(|(argv, cwd, env, stdin)| {
            ShellWork { argv, cwd, env, stdin: Bytes::from(stdin), ..ShellWork::default() }
        })
    }

    proptest! {
        #[test]
        fn a_task_survives_the_way(
            work in any_work(),
            timeout in 0u64..9_999,
            task: [u8; 16],
            secrets in prop::collection::btree_map("[A-Z_][A-Z0-9_]{0,4}", "[^\0]{4,9}", 0..3),
        ) {
            let secrets = secrets.into_iter().map(|(name, value)| (name, Zeroizing::new(value)));
            let order = TaskOrder {
                task: TaskId::from_bytes(task),
                session: SessionId::from_bytes([3; 16]),
                work: Work::Shell(work),
                timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
                grace: Duration::from_secs(5),
                secrets: Secrets::new(secrets).unwrap(),
            };
            let wire = v1::TaskRequest::from(order.clone());
            prop_assert_eq!(TaskOrder::try_from(wire), Ok(order));
        }
    }

    #[test]
    fn the_files_of_a_call_survive_the_way_and_bad_names_do_not() {
        let order = |name: &str| {
            let data = Bytes::from_static(b"\0\xff");
            let files = vec![InputFile { name: name.to_owned(), data }];
            let input = serde_json::json!({"a": 1});
            let work = Work::Skill { name: "read".into(), input, files };
            let (task, session) = (TaskId::from_bytes([7; 16]), SessionId::from_bytes([3; 16]));
            TaskOrder::of(task, session, &TaskSpec::new(work))
        };
        let good = order("in.csv");
        assert_eq!(TaskOrder::try_from(v1::TaskRequest::from(good.clone())), Ok(good));
        assert!(TaskOrder::try_from(v1::TaskRequest::from(order("../x"))).is_err());
    }

    #[test]
    fn a_terminal_survives_the_way_with_or_without_a_program() {
        let own = ShellWork { terminal: Some(Terminal::default()), ..ShellWork::default() };
        assert_eq!(ShellWork::try_from(v1::ShellTask::from(own.clone())), Ok(own.clone()));
        let given = ShellWork { argv: vec!["top".into()], open_stdin: true, ..own };
        assert_eq!(ShellWork::try_from(v1::ShellTask::from(given.clone())), Ok(given));
    }

    #[test]
    fn arguments_without_a_program_are_refused() {
        let wire = v1::ShellTask { args: vec!["-l".into()], ..v1::ShellTask::default() };
        assert_eq!(ShellWork::try_from(wire), Err(ConvertError::Missing("shell.program")));
    }
}
