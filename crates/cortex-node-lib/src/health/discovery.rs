//! Finds out what the node can do, without holding up its start.
//!
//! What the system tells at once is told at once; graphics processors and runtimes, which take
//! programs to find, come from the last run's notes until they are found anew.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::capability::Capabilities;
use cortex_core::capability::Gpu;
use cortex_core::capability::OfferedSkill;
use cortex_core::capability::Runtime;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::watch;

use super::gpus;
use super::machine;
use super::runtimes;

const NOTES: &str = "capabilities.json";

/// Notes larger than this are nobody's.
const MAX_NOTES_BYTES: u64 = 1 << 20;

/// Knows what the node can do, and finds out more in the background.
#[derive(Debug)]
pub(crate) struct Discovery {
    notes: PathBuf,
    directories: Vec<PathBuf>,
    known: watch::Sender<Capabilities>,
}

/// What takes programs to find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Slow {
    gpus: Vec<Gpu>,
    runtimes: Vec<Runtime>,
}

impl Discovery {
    /// Looks at the machine and at the last run's notes in `data_dir`; starts no program.
    #[must_use]
    pub(crate) fn new(
        data_dir: &Path,
        search_path: Option<&OsStr>,
        skills: Vec<OfferedSkill>,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let notes = data_dir.join(NOTES);
        let quick = Capabilities { skills, labels, ..machine::look() };
        let known = match read(&notes) {
            Some(slow) => with(quick.clone(), slow),
            None => quick.clone(),
        };
        // Notes that somebody changed must not keep the hub from taking the rest.
        let known = if known.validate().is_ok() { known } else { quick };
        let path = search_path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
        let absolute = std::env::split_paths(path).filter(|directory| directory.is_absolute());
        Self { notes, directories: absolute.collect(), known: watch::Sender::new(known) }
    }

    /// A view that shows what is known, and when that changes.
    #[must_use]
    pub(crate) fn view(&self) -> watch::Receiver<Capabilities> {
        self.known.subscribe()
    }

    /// Finds what takes programs to find; takes a few seconds at most.
    pub(crate) async fn run(&self) {
        let (gpus, runtimes) =
            tokio::join!(gpus::find(&self.directories), runtimes::find(&self.directories));
        let slow = Slow { gpus, runtimes };
        let changed = self.known.send_if_modified(|known| {
            let found = with(known.clone(), slow.clone());
            let is_news = found != *known && found.validate().is_ok();
            if is_news {
                *known = found;
            }
            is_news
        });
        if changed && let Err(error) = write(&self.notes, &slow) {
            tracing::warn!(%error, path = %self.notes.display(), "cannot keep what was found");
        }
    }
}

fn with(known: Capabilities, slow: Slow) -> Capabilities {
    Capabilities { gpus: slow.gpus, runtimes: slow.runtimes, ..known }
}

fn read(path: &Path) -> Option<Slow> {
    if std::fs::metadata(path).ok()?.len() > MAX_NOTES_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn write(path: &Path, slow: &Slow) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec_pretty(slow)?)?;
    std::fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(version: &str) -> Slow {
        let (name, path) = ("python3".to_owned(), "/usr/bin/python3".to_owned());
        let runtime = Runtime { name, version: version.to_owned(), path };
        Slow { gpus: Vec::new(), runtimes: vec![runtime] }
    }

    fn discovery(dir: &Path) -> Discovery {
        Discovery::new(dir, Some(dir.as_os_str()), Vec::new(), BTreeMap::new())
    }

    #[tokio::test]
    async fn notes_serve_until_something_else_is_found() {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join(NOTES), &python("3.1")).unwrap();
        let discovery = discovery(root.path());
        let mut view = discovery.view();
        assert_eq!(view.borrow_and_update().runtime("python3").unwrap().version, "3.1");
        discovery.run().await;
        assert!(view.has_changed().unwrap());
        assert_eq!(view.borrow_and_update().runtimes, []);
        assert_eq!(read(&root.path().join(NOTES)).unwrap().runtimes, []);
        discovery.run().await;
        assert!(!view.has_changed().unwrap(), "nothing new was found");
    }

    #[test]
    fn notes_that_cannot_be_told_are_left_aside() {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join(NOTES), &python("\u{1b}[2J")).unwrap();
        let known = discovery(root.path()).view().borrow().clone();
        assert_eq!(known.runtimes, []);
        known.validate().unwrap();
    }
}
