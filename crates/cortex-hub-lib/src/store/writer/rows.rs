//! The rows of appends, by prepared statements on a connection of the writer's own thread.
//!
//! Events come by the thousand a second. Handing each statement to another thread, with its
//! arguments on the heap, cost more than the database itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cortex_core::audit::Record;
use cortex_core::chain::Head;
use cortex_core::session::Session;
use cortex_core::task::Task;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::OptionalExtension as _;
use rusqlite::params;

use super::pass::ChunkRow;
use super::pass::LogRow;
use super::pass::Pass;
use super::pass::TaskMove;
use super::pass::stream_number;
use crate::store::audit::row as audit_row;
use crate::store::column;
use crate::store::session_row;
use crate::store::task_row;
use crate::store::task_row::INLINE_SPEC;

/// Prepared statements that are kept: all that there are.
const STATEMENTS: usize = 32;

/// Writes the rows of appends.
#[derive(Debug)]
pub(super) struct RowWriter {
    connection: Connection,
}

impl RowWriter {
    /// Connects to a database that is there already.
    pub(super) fn open(database: &Path, busy_timeout: Duration) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(database, flags)?;
        connection.busy_timeout(busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", "on")?;
        // Copying the log into the database is for the one who looks after checkpoints.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(Self { connection })
    }

    /// Stores all rows of a pass in one transaction, or none.
    pub(super) fn store(&self, pass: &Pass) -> rusqlite::Result<()> {
        self.run("BEGIN IMMEDIATE")?;
        let stored = self.write(pass).and_then(|()| {
            crash_point!("hub::before-commit");
            self.run("COMMIT")
        });
        crash_point!("hub::after-commit");
        if stored.is_err() && !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        stored
    }

    /// Copies the write-ahead log into the database as far as nobody needs it apart.
    pub(super) fn copy_log(&self) -> rusqlite::Result<()> {
        let mut copy = self.connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
        copy.query_row([], |_| Ok(()))
    }

    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.connection.close().map_err(|(_, error)| error)
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute([]).map(drop)
    }

    /// What is referred to comes first.
    fn write(&self, pass: &Pass) -> rusqlite::Result<()> {
        pass.records().try_for_each(|(record, head)| self.record(record, *head))?;
        pass.sessions().try_for_each(|session| self.session(session))?;
        pass.log().try_for_each(|row| self.log(row))?;
        for TaskMove { task, spec, is_elsewhere, .. } in pass.task_moves() {
            match spec {
                Some(spec) => self.new_task(task, spec)?,
                None => self.task(task, *is_elsewhere)?,
            }
        }
        pass.chunks().try_for_each(|row| self.chunk(row))
    }

    /// The newest record of the audit log: its number and the chain's digest.
    pub(super) fn audit_head(&self) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
        let newest = "SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1";
        let mut newest = self.connection.prepare_cached(newest)?;
        newest.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    fn record(&self, record: &Record, head: Head) -> rusqlite::Result<()> {
        let row = audit_row::to_row(record, head);
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO audit (seq, at, actor, action, object, outcome, detail, digest, \
             credential, address, owner_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let values = params![
            row.seq,
            row.at,
            row.actor,
            row.action,
            row.object,
            row.outcome,
            row.detail,
            row.digest,
            row.credential,
            row.address,
            row.owner_id
        ];
        insert.execute(values).map(drop)
    }

    fn session(&self, session: &Arc<Session>) -> rusqlite::Result<()> {
        let row = session_row::to_row(session);
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO session (id, owner_id, name, status, nodes, created_at, closed_at, \
             receipts, receipts_head) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, nodes = excluded.nodes, \
             closed_at = excluded.closed_at, receipts = excluded.receipts, \
             receipts_head = excluded.receipts_head",
        )?;
        let values = params![
            row.id,
            row.owner_id,
            row.name,
            row.status,
            row.nodes,
            row.created_at,
            row.closed_at,
            row.receipts,
            row.receipts_head
        ];
        insert.execute(values).map(drop)
    }

    fn log(&self, row: &LogRow) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO session_log (session_id, last_seq, first_seq, at, entries) \
             VALUES (?, ?, ?, ?, ?)",
        )?;
        let values = params![
            row.session.as_bytes(),
            column::count(row.last.0),
            column::count(row.first.0),
            row.at.as_millis(),
            row.entries
        ];
        insert.execute(values).map(drop)
    }

    fn new_task(&self, task: &Task, spec: &[u8]) -> rusqlite::Result<()> {
        let is_long = spec.len() > INLINE_SPEC;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO task (id, session_id, account_id, node_id, state, is_open, created_at, \
             revision, spec, life) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let values = params![
            task.id.as_bytes(),
            task.session.as_bytes(),
            task.by.as_bytes(),
            task.node.as_ref().map(|node| node.as_bytes()),
            task.state.word(),
            !task.state.is_end(),
            task.created_at.as_millis(),
            column::count(task.revision),
            (!is_long).then_some(spec),
            task_row::life(task)
        ];
        insert.execute(values)?;
        if is_long {
            let insert = "INSERT INTO task_spec (task_id, spec) VALUES (?, ?)";
            let mut insert = self.connection.prepare_cached(insert)?;
            insert.execute(params![task.id.as_bytes(), spec])?;
        }
        if let Some(sealed) = &task.spec.sealed {
            let insert = "INSERT INTO task_secret (task_id, sealed) VALUES (?, ?)";
            let mut insert = self.connection.prepare_cached(insert)?;
            insert.execute(params![task.id.as_bytes(), &sealed.0[..]])?;
        }
        Ok(())
    }

    /// Names only the columns that change, as each index of a named column is written again.
    fn task(&self, task: &Task, is_elsewhere: bool) -> rusqlite::Result<()> {
        let id = task.id.as_bytes();
        let state = task.state.word();
        let revision = column::count(task.revision);
        let life = task_row::life(task);
        if is_elsewhere {
            let update = "UPDATE task SET state = ?, revision = ?, life = ?, is_open = ?, \
                          node_id = ? WHERE id = ?";
            let node = task.node.as_ref().map(|node| node.as_bytes());
            let mut update = self.connection.prepare_cached(update)?;
            update.execute(params![state, revision, life, !task.state.is_end(), node, id])?;
        } else if task.state.is_end() {
            let update = "UPDATE task SET state = ?, revision = ?, life = ?, is_open = FALSE \
                          WHERE id = ?";
            self.connection.prepare_cached(update)?.execute(params![state, revision, life, id])?;
        } else {
            let update = "UPDATE task SET state = ?, revision = ?, life = ? WHERE id = ?";
            self.connection.prepare_cached(update)?.execute(params![state, revision, life, id])?;
        }
        if task.state.is_end() && !task.spec.secrets.is_empty() {
            let delete = "DELETE FROM task_secret WHERE task_id = ?";
            self.connection.prepare_cached(delete)?.execute(params![id])?;
        }
        Ok(())
    }

    fn chunk(&self, row: &ChunkRow) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO output_chunk (task_id, stream, position, data) VALUES (?, ?, ?, ?)",
        )?;
        let values = params![
            row.task.as_bytes(),
            stream_number(row.stream),
            column::count(row.offset),
            &row.data[..]
        ];
        insert.execute(values).map(drop)
    }
}
