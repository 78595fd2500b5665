//! The conflict rule: who wins a path that two sides changed, and where the other version goes.
//!
//! No byte is lost: an edit beats a deletion, and of two edits both survive, one under the name
//! of [`copy_path`].

use crate::path::RelPath;
use crate::tree::Entry;
use crate::tree::File;

/// One of the two that changed a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that reconciles: a node with changes that the store has not got.
    Ours,
    /// The store: what others committed meanwhile.
    Theirs,
}

/// What becomes of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Both sides have the same already.
    Settled,
    /// One side's state stands, be it an entry or a deletion; nothing else is to be kept.
    Take(Side),
    /// Both edited a file and the edits do not touch each other: this entry has both.
    Merge(Entry),
    /// Both sides' entries have to survive: this side's stays at the path, the other's goes to
    /// [`copy_path`].
    KeepBoth(Side),
}

/// Decides what becomes of one path.
///
/// `base` is what both sides last agreed on, `ours` and `theirs` what each has now; `None` where
/// nothing stands. An unchanged side gives way. An edit beats a deletion. A file's content and its
/// executable bit are merged apart. Of two edits that exclude each other, theirs stays at the path
/// because others have it there already; but a directory stays against anything else, because
/// moving it would move all that it holds.
///
/// The rule sees one path. A directory that one side has to keep because of what lies in it counts
/// as made by that side: pass it with `base` as `None`.
#[must_use]
pub fn resolve(base: Option<&Entry>, ours: Option<&Entry>, theirs: Option<&Entry>) -> Resolution {
    if same(ours, theirs) {
        return Resolution::Settled;
    }
    if same(base, ours) {
        return Resolution::Take(Side::Theirs);
    }
    if same(base, theirs) {
        return Resolution::Take(Side::Ours);
    }
    match (ours, theirs) {
        (None, _) => Resolution::Take(Side::Theirs),
        (_, None) => Resolution::Take(Side::Ours),
        (Some(Entry::Directory), Some(_)) => Resolution::KeepBoth(Side::Ours),
        (Some(Entry::File(ours)), Some(Entry::File(theirs))) => merge(base, ours, theirs),
        (Some(_), Some(_)) => Resolution::KeepBoth(Side::Theirs),
    }
}

/// Names the path for the loser of a conflict: `notes.conflict-lab-7-1f2e3d4c.txt`.
///
/// `label` says whose version it is, e.g. a node's name; what cannot stand in a path becomes `-`.
/// The digits are of the loser's hash: repeating a resolution that was cut short gives the same
/// name. Where the name is taken by something else, ask again with the next `attempt`, from 0.
/// The copy lies beside the path, or further up where the name would be too long.
#[must_use]
pub fn copy_path(path: &RelPath, label: &str, loser: &Entry, attempt: u32) -> RelPath {
    let label: String = label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .take(MAX_LABEL_LEN)
        .collect();
    let hash = loser.hash().to_string();
    let mut mark = format!(".conflict-{label}-{}", &hash[..8]);
    if attempt > 0 {
        mark = format!("{mark}-{attempt}");
    }
    let (stem, extension) = split_extension(path.name());
    let room = RelPath::MAX_COMPONENT_LEN - mark.len() - extension.len();
    let name = if stem.len() <= room {
        format!("{stem}{mark}{extension}")
    } else {
        // Without the sign "nul" and many spaces would be cut to the name of a device.
        format!("{}~{mark}{extension}", &stem[..stem.floor_char_boundary(room - 1)])
    };
    let mut directory = path.parent();
    while let Some(parent) = directory {
        if let Ok(copy) = parent.join(&name) {
            return copy;
        }
        directory = parent.parent();
    }
    RelPath::new(name).expect("a path's name with a mark of plain characters is a path")
}

const MAX_LABEL_LEN: usize = 64;
/// A longer "extension" is rather a part of the name.
const MAX_EXTENSION_LEN: usize = 32;

fn same(one: Option<&Entry>, other: Option<&Entry>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.matches(other),
        (None, None) => true,
        _ => false,
    }
}

fn merge(base: Option<&Entry>, ours: &File, theirs: &File) -> Resolution {
    let base = match base {
        Some(Entry::File(base)) => Some(base),
        _ => None,
    };
    let base_content = base.map(|base| base.content);
    let bytes_from = if ours.content == theirs.content || base_content == Some(ours.content) {
        theirs
    } else if base_content == Some(theirs.content) {
        ours
    } else {
        return Resolution::KeepBoth(Side::Theirs);
    };
    let executable = match base {
        Some(base) if ours.executable == base.executable => theirs.executable,
        Some(_) => ours.executable,
        None => ours.executable || theirs.executable,
    };
    let merged = Entry::File(File { executable, ..bytes_from.clone() });
    if merged.matches(&Entry::File(theirs.clone())) {
        Resolution::Take(Side::Theirs)
    } else if merged.matches(&Entry::File(ours.clone())) {
        Resolution::Take(Side::Ours)
    } else {
        Resolution::Merge(merged)
    }
}

/// Splits before the last dot; a leading dot begins a name, not an extension.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= MAX_EXTENSION_LEN => name.split_at(at),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests;
