//! Files that nodes say are complete: their bytes are read back and compared before anybody is told.

use cortex_core::id::NodeId;
use cortex_core::receipt::StreamHash;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::MAX_PUBLISHED_FILE;
use cortex_core::task::PublishedFile;
use cortex_core::task::Stream;

use super::Dispatch;

/// How much is read back at once, in bytes.
const PIECE: u64 = 1 << 20;

/// Cuts reports in front of each file, so that its bytes are stored when it is looked at.
pub(super) fn parts(reports: Vec<Report>) -> Vec<Vec<Report>> {
    let mut parts = Vec::with_capacity(1);
    let mut part = Vec::new();
    for report in reports {
        if matches!(report.news, News::File(_)) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        part.push(report);
    }
    parts.push(part);
    parts
}

impl Dispatch {
    /// Whether what is stored of a file, if the report is of one, can be read and has its digest.
    ///
    /// # Errors
    /// It has another one: the node broke the protocol.
    pub(super) async fn is_whole(&self, node: NodeId, report: &Report) -> Result<bool, String> {
        let News::File(file) = &report.news else { return Ok(true) };
        let task = self
            .open
            .task(report.task)
            .filter(|task| task.node == Some(node) && task.attempt == report.attempt);
        // Of an attempt that is over nothing is taken.
        let Some(task) = task else { return Ok(true) };
        let file = file.clone().of_attempt(report.attempt, &task.before);
        let stored = task.output.files.arrived();
        if task.files.contains(&file) || file.size > MAX_PUBLISHED_FILE || file.end() > stored {
            // It is there already, or refused for what it says.
            return Ok(true);
        }
        let digest = match self.hash(report, &file).await {
            Ok(hash) => hash.finish(false).digest,
            Err(error) => {
                tracing::warn!(task = %task.id, %error, "a file cannot be read back");
                return Ok(false);
            }
        };
        if digest == file.digest {
            return Ok(true);
        }
        Err(format!("{}: file {:?} has another digest than its bytes", task.id, file.name))
    }

    async fn hash(&self, report: &Report, file: &PublishedFile) -> cortex_core::Result<StreamHash> {
        let (mut hash, mut offset) = (StreamHash::default(), file.offset);
        while offset < file.end() {
            let limit = usize::try_from((file.end() - offset).min(PIECE)).unwrap_or(usize::MAX);
            let part = self.store.output(report.task, Stream::Files, offset, limit).await?;
            if part.data.is_empty() {
                break;
            }
            hash.update(&part.data);
            offset += part.data.len() as u64;
            // Hashing takes a core: others get a turn.
            tokio::task::yield_now().await;
        }
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::digest::Digest;
    use cortex_core::id::TaskId;
    use cortex_core::task::SentFile;

    use super::*;

    #[test]
    fn reports_are_cut_in_front_of_each_file() {
        let report =
            |news| Report { task: TaskId::from_bytes([1; 16]), attempt: 1, sequence: 1, news };
        let other = || report(News::Started { pid: None });
        let file = || {
            let (name, digest) = ("a".to_owned(), Digest::of(b""));
            report(News::File(SentFile { name, offset: 0, size: 0, digest }))
        };
        let lengths = |reports| parts(reports).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(vec![]), [0]);
        assert_eq!(lengths(vec![other(), other()]), [2]);
        assert_eq!(lengths(vec![file(), other()]), [2]);
        assert_eq!(lengths(vec![other(), file(), file(), other()]), [1, 1, 2]);
    }
}
