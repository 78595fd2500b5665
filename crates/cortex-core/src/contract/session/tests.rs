//! The suite fails on backends that break a promise, each in its own way.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::scene::session_id;
use super::session_store;
use super::session_store_reopened;
use crate::contract::fault::complaint;
use crate::contract::fault::step_aside;
use crate::error::Kind;
use crate::error::Result;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::UserId;
use crate::memory::MemorySessionStore;
use crate::receipt;
use crate::session::Appended;
use crate::session::Entry;
use crate::session::Happening;
use crate::session::OutputPart;
use crate::session::Seq;
use crate::session::Session;
use crate::session::SessionStore;
use crate::session::TaskFilter;
use crate::session::refusal;
use crate::task::Stream;
use crate::task::Task;
use crate::task::TaskEvent;
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    OverwritesSessions,
    ListsOldestFirst,
    IgnoresAfter,
    LooksThenAppends,
    AppendsOneByOne,
    ForgetsAttempts,
    EndsTwice,
    TrustsLengths,
    StoresText,
    RepeatsAnEntry,
    ReadsLongOutput,
    DropsShortOutput,
    IgnoresTaskLimit,
    IgnoresCursor,
    IgnoresOutputLimit,
    LosesLongOutput,
    ForgetsStreams,
    ForgetsReceipts,
}

#[derive(Debug)]
struct Faulty {
    inner: MemorySessionStore,
    fault: Fault,
}

impl Faulty {
    async fn head(&self, id: SessionId) -> Result<Seq> {
        let log = self.inner.read(id, Seq(0), usize::MAX).await?;
        Ok(log.last().map_or(Seq(0), |entry| entry.seq))
    }

    async fn one_by_one(
        &self,
        id: SessionId,
        what: Vec<Happening>,
        now: Timestamp,
    ) -> Result<Appended> {
        let mut whole = Appended { entries: Vec::new(), tasks: Vec::new() };
        for what in what {
            let appended = self.inner.append(id, None, vec![what], now).await?;
            whole.entries.extend(appended.entries);
            for task in appended.tasks {
                whole.tasks.retain(|earlier| earlier.id != task.id);
                whole.tasks.push(task);
            }
        }
        Ok(whole)
    }

    async fn with_current_attempts(&self, what: &mut [Happening]) -> Result<()> {
        for what in what {
            let Happening::Task { task, event, .. } = what else {
                continue;
            };
            let stored = self.inner.tasks(TaskFilter::one(*task)).await?;
            let Some(current) = stored.first().map(|task| task.attempt) else {
                continue;
            };
            if let TaskEvent::Started { attempt, .. }
            | TaskEvent::Output { attempt, .. }
            | TaskEvent::Ended { attempt, .. } = event
            {
                *attempt = current;
            }
        }
        Ok(())
    }

    async fn with_long_output(&self, entries: &mut [Entry]) -> Result<()> {
        for entry in entries {
            let Happening::Task { task, event, data } = &mut entry.what else {
                continue;
            };
            if let TaskEvent::Output { stream, offset, len, .. } = event {
                *data = self.inner.output(*task, *stream, *offset, *len as usize).await?.data;
            }
        }
        Ok(())
    }
}

fn as_text(data: &Bytes) -> Bytes {
    data.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }).collect()
}

#[async_trait]
impl SessionStore for Faulty {
    async fn create(&self, session: Session) -> Result<()> {
        let created = self.inner.create(session).await;
        if self.fault == Fault::OverwritesSessions { Ok(()) } else { created }
    }

    async fn get(&self, id: SessionId) -> Result<Session> {
        let mut session = self.inner.get(id).await?;
        if self.fault == Fault::ForgetsReceipts {
            session.receipts = receipt::chain_of(id);
        }
        Ok(session)
    }

    async fn list(&self, owner: Option<UserId>) -> Result<Vec<Session>> {
        let mut sessions = self.inner.list(owner).await?;
        if self.fault == Fault::ListsOldestFirst {
            sessions.reverse();
        }
        Ok(sessions)
    }

    async fn append(
        &self,
        id: SessionId,
        after: Option<Seq>,
        mut what: Vec<Happening>,
        now: Timestamp,
    ) -> Result<Appended> {
        match self.fault {
            Fault::IgnoresAfter => return self.inner.append(id, None, what, now).await,
            Fault::LooksThenAppends => {
                let head = self.head(id).await?;
                if let Some(after) = after.filter(|after| *after != head) {
                    return Err(refusal::log_moved(after, head));
                }
                step_aside().await;
                return self.inner.append(id, None, what, now).await;
            }
            Fault::AppendsOneByOne if after.is_none() => {
                return self.one_by_one(id, what, now).await;
            }
            Fault::ForgetsAttempts if what.len() == 1 => {
                self.with_current_attempts(&mut what).await?;
            }
            Fault::StoresText => {
                for what in &mut what {
                    if let Happening::Task { data, .. } = what {
                        *data = as_text(data);
                    }
                }
            }
            _ => {}
        }
        let appended = self.inner.append(id, after, what, now).await;
        let is_forgiven = |error: &crate::Error| match self.fault {
            Fault::EndsTwice => error.code() == "task_ended",
            Fault::TrustsLengths => error.kind() == Kind::Invalid,
            _ => false,
        };
        match appended {
            Err(error) if is_forgiven(&error) => {
                Ok(Appended { entries: Vec::new(), tasks: Vec::new() })
            }
            other => other,
        }
    }

    async fn read(&self, id: SessionId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let after = match self.fault {
            Fault::RepeatsAnEntry => Seq(after.0.saturating_sub(1)),
            _ => after,
        };
        let mut entries = self.inner.read(id, after, limit).await?;
        if self.fault == Fault::ReadsLongOutput {
            self.with_long_output(&mut entries).await?;
        }
        if self.fault == Fault::DropsShortOutput {
            for entry in &mut entries {
                if let Happening::Task { data, .. } = &mut entry.what {
                    data.clear();
                }
            }
        }
        Ok(entries)
    }

    async fn tasks(&self, mut filter: TaskFilter) -> Result<Vec<Arc<Task>>> {
        match self.fault {
            Fault::IgnoresTaskLimit => filter.limit = 0,
            Fault::IgnoresCursor => filter.before = None,
            _ => {}
        }
        self.inner.tasks(filter).await
    }

    async fn output(
        &self,
        task: TaskId,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputPart> {
        let (stream, limit) = match self.fault {
            Fault::ForgetsStreams => (Stream::Stdout, limit),
            Fault::IgnoresOutputLimit => (stream, usize::MAX),
            _ => (stream, limit),
        };
        let mut part = self.inner.output(task, stream, offset, limit).await?;
        if self.fault == Fault::LosesLongOutput && offset >= 1 << 20 {
            part.data.clear();
        }
        Ok(part)
    }
}

fn store(fault: Fault) -> Arc<dyn SessionStore> {
    Arc::new(Faulty { inner: MemorySessionStore::new(), fault })
}

#[tokio::test]
async fn the_suite_sees_every_fault() {
    let faults = [
        (Fault::OverwritesSessions, "a session of a stored id is refused"),
        (Fault::ListsOldestFirst, "newest first"),
        (Fault::IgnoresAfter, "a log does not grow where it does not end"),
        (Fault::LooksThenAppends, "append from the same point, one wins"),
        (Fault::AppendsOneByOne, "is refused as a whole"),
        (Fault::ForgetsAttempts, "at attempt 2"),
        (Fault::EndsTwice, "after a task's end"),
        (Fault::TrustsLengths, "is refused as a whole"),
        (Fault::StoresText, "output is read as it was written"),
        (Fault::RepeatsAnEntry, "a page is full"),
        (Fault::ReadsLongOutput, "an entry is read with its output up to"),
        (Fault::DropsShortOutput, "an entry is read with its output up to"),
        (Fault::IgnoresTaskLimit, "exactly the newest tasks that fit"),
        (Fault::IgnoresCursor, "exactly the newest tasks that fit"),
        (Fault::IgnoresOutputLimit, "at most 1"),
        (Fault::LosesLongOutput, "all stored output can be read"),
        (Fault::ForgetsStreams, "output"),
        (Fault::ForgetsReceipts, "chains the receipts of its log"),
    ];
    assert_eq!(complaint(session_store(async || store(Fault::None))).await, None);
    for (fault, promised) in faults {
        let found = complaint(session_store(async || store(fault))).await;
        let found = found.unwrap_or_else(|| panic!("the suite passes a store that {fault:?}"));
        assert!(found.starts_with("broken promise: "), "{fault:?}: {found}");
        assert!(found.contains(promised), "{fault:?}: {found}");
    }
}

#[tokio::test]
async fn what_forgets_does_not_survive_a_restart() {
    let kept = store(Fault::None);
    session_store_reopened(async |_| Arc::clone(&kept)).await;
    assert_eq!(kept.read(session_id(2), Seq(0), 9).await.unwrap().len(), 1);
    let lost = complaint(session_store_reopened(async |_| store(Fault::None))).await;
    assert!(lost.is_some_and(|found| found.contains("survive a restart")));
}
