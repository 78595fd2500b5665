//! Files that come with the call of a skill.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use super::SpecError;

/// How many files may come with a call.
pub const MAX_FILES: usize = 64;

/// All files of a call together, in bytes.
pub const MAX_FILE_BYTES: usize = 2 << 20;

/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// A file that comes with a call; the node lays it in a directory of that call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its name: one part of a path, without slashes.
    pub name: String,
    /// Its bytes.
    #[serde(default, with = "crate::base64_bytes", skip_serializing_if = "Bytes::is_empty")]
    pub data: Bytes,
}

/// Checks names, each there once, and sizes.
pub(super) fn check(files: &[InputFile]) -> Result<(), SpecError> {
    let bytes: usize = files.iter().map(|file| file.data.len()).sum();
    if files.len() > MAX_FILES || bytes > MAX_FILE_BYTES {
        return Err(SpecError::Files { count: files.len(), bytes });
    }
    let mut seen = BTreeSet::new();
    for file in files {
        // Names are compared as the least careful file system does.
        if !is_name(&file.name) || !seen.insert(file.name.to_lowercase()) {
            return Err(SpecError::FileName(file.name.clone()));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name != "."
        && name != ".."
        && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, len: usize) -> InputFile {
        InputFile { name: name.to_owned(), data: Bytes::from(vec![0; len]) }
    }

    #[test]
    fn a_name_is_one_part_of_a_path_and_there_once() {
        for name in ["in.csv", "..a", " ", "ä", &"x".repeat(MAX_NAME_BYTES)] {
            assert_eq!(check(&[file(name, 1)]), Ok(()), "{name:?}");
        }
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for name in ["", ".", "..", "a/b", "/etc/passwd", "a\\b", "a\0", "a\n", &long] {
            assert_eq!(check(&[file(name, 1)]), Err(SpecError::FileName(name.to_owned())));
        }
        assert!(check(&[file("a", 1), file("A", 1)]).is_err());
    }

    #[test]
    fn files_are_bounded_in_number_and_together() {
        assert_eq!(check(&[file("a", MAX_FILE_BYTES - 1), file("b", 1)]), Ok(()));
        assert!(check(&[file("a", MAX_FILE_BYTES), file("b", 1)]).is_err());
        let many: Vec<_> = (0..=MAX_FILES).map(|n| file(&n.to_string(), 0)).collect();
        assert!(check(&many[1..]).is_ok() && check(&many).is_err());
    }
}
