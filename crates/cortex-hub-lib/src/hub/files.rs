//! The files that a task has published.

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::TaskId;
use cortex_core::task::PublishedFile;
use cortex_core::task::Stream;

use super::Hub;

/// The most that one step reads, in bytes.
const STEP_BYTES: u64 = 256 << 10;

/// Reads a file from its beginning to its end.
#[derive(Debug)]
pub struct FileReader {
    hub: Hub,
    task: TaskId,
    file: PublishedFile,
    /// Bytes that were read.
    done: u64,
}

impl Hub {
    /// Lists the files that a task has published by now. They stay as long as the task does.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn files(&self, who: &Principal, id: TaskId) -> Result<Vec<PublishedFile>> {
        Ok(self.find_task(who, id, Scope::Read).await?.files.clone())
    }

    /// Opens a file that a task has published.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see; code `file_not_found`: no such file.
    pub async fn file(&self, who: &Principal, id: TaskId, name: &str) -> Result<FileReader> {
        let task = self.find_task(who, id, Scope::Read).await?;
        let file = task.files.iter().find(|file| file.name == name).cloned().ok_or_else(|| {
            let message = format!("task {id} has published no file {name:?}");
            Error::new(ErrorKind::NotFound, "find file", message)
                .with_code("file_not_found")
                .with_hint(format!("cortex-cli task files {id}"))
        })?;
        Ok(FileReader { hub: self.clone(), task: id, file, done: 0 })
    }
}

impl FileReader {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &PublishedFile {
        &self.file
    }

    /// Returns the next bytes; `None` at the end.
    ///
    /// # Errors
    /// `Internal`: what is stored cannot be read, or is shorter than it was.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let left = self.file.size - self.done;
        if left == 0 {
            return Ok(None);
        }
        let limit = usize::try_from(left.min(STEP_BYTES)).unwrap_or(usize::MAX);
        let offset = self.file.offset + self.done;
        let part = self.hub.inner.sessions.output(self.task, Stream::Files, offset, limit).await?;
        if part.data.is_empty() {
            let message = format!("of file {:?} {left} bytes are missing", self.file.name);
            return Err(Error::new(ErrorKind::Internal, "read file", message));
        }
        self.done += part.data.len() as u64;
        Ok(Some(part.data))
    }
}
