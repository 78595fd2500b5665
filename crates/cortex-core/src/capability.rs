//! What a node can do: its machine, the runtimes and skills found on it, and its labels.
//!
//! All of it is stated by the node, so all of it is bounded: [`Capabilities::validate`] is called
//! wherever a statement comes in, and whatever passes is safe to store and to print.

pub mod label;
pub mod requirement;
pub mod schema;
pub mod selector;
mod skill;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::capability::text::is_inert;

pub use label::Label;
pub use label::LabelError;
pub use label::check_labels;
pub use requirement::Facts;
pub use requirement::Requirement;
pub use requirement::RequirementError;
pub use schema::Mismatch;
pub use schema::Schema;
pub use selector::Selector;
pub use selector::SelectorError;
pub use selector::Term;
pub use skill::Form;
pub use skill::MAX_FORMS_BYTES;
pub use skill::MAX_SCHEMA_BYTES;
pub use skill::MAX_SUMMARY_BYTES;
pub use skill::OfferedSkill;
pub use skill::check_forms;

/// How many bytes each text of a statement may have; labels have their own limits.
pub const MAX_TEXT_BYTES: usize = 256;
/// How many disks a node may state.
pub const MAX_DISKS: usize = 256;
/// How many graphics processors a node may state.
pub const MAX_GPUS: usize = 64;
/// How many runtimes a node may state.
pub const MAX_RUNTIMES: usize = 256;
/// How many skills a node may state.
pub const MAX_SKILLS: usize = 256;

/// What a node states about itself when it connects.
///
/// An empty text and a zero mean "not known". Unknown fields are ignored on reading, missing ones
/// get their default, so that a stored statement of another version stays readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// The operating system.
    pub os: OperatingSystem,
    /// The kernel's release, e.g. `6.12.48`.
    pub kernel: String,
    /// The processor architecture in Rust's words, e.g. `x86_64` or `aarch64`.
    pub arch: String,
    /// How many logical processors there are.
    pub cores: u32,
    /// How much main memory there is, in bytes.
    pub memory_bytes: u64,
    /// The mounted disks; at most [`MAX_DISKS`].
    pub disks: Vec<Disk>,
    /// The graphics processors; at most [`MAX_GPUS`].
    pub gpus: Vec<Gpu>,
    /// The runtimes found on the node's search path; at most [`MAX_RUNTIMES`].
    pub runtimes: Vec<Runtime>,
    /// The skills that the node offers; at most [`MAX_SKILLS`], each name once.
    pub skills: Vec<OfferedSkill>,
    /// The node's labels; see [`Label`] for the rules of keys and values.
    pub labels: BTreeMap<String, String>,
    /// How many tasks it runs at once.
    pub max_tasks: u32,
}

/// The operating system of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatingSystem {
    /// Its name, e.g. `Debian GNU/Linux` or `macOS`.
    pub name: String,
    /// Its version, e.g. `13`.
    pub version: String,
    /// Its family in Rust's words: `linux`, `macos`, `windows`, `freebsd` and so on.
    pub family: String,
}

/// A mounted disk of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Where it is mounted, e.g. `/` or `C:\`.
    pub mount: String,
    /// Its size, in bytes.
    pub total_bytes: u64,
    /// What an ordinary process may still use of it, in bytes, when this was stated.
    pub available_bytes: u64,
    /// What it is made of.
    pub kind: DiskKind,
}

/// What a disk is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskKind {
    /// Rotating platters.
    Hdd,
    /// Flash.
    Ssd,
    /// The system does not tell.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A graphics processor of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// Its name as the driver gives it.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// Its own memory, in bytes.
    pub memory_bytes: u64,
}

/// A language runtime or tool found on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// What it is called, e.g. `python3`; never empty.
    pub name: String,
    /// The version that it printed.
    pub version: String,
    /// Where it was found.
    pub path: String,
}

/// Why a statement of capabilities is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// A list has more entries than it may.
    #[error("{field} has {found} entries, at most {max} are allowed")]
    TooMany {
        /// The list, e.g. `gpus`.
        field: &'static str,
        /// How many entries it has.
        found: usize,
        /// How many it may have.
        max: usize,
    },
    /// A text has more than [`MAX_TEXT_BYTES`].
    #[error("{field} has {found} bytes, at most {MAX_TEXT_BYTES} are allowed")]
    TooLong {
        /// Where the text is, e.g. `gpus[3].name`.
        field: String,
        /// How many bytes it has.
        found: usize,
    },
    /// What is said of a skill has more bytes than it may.
    #[error("{field} has {found} bytes, at most {max} are allowed")]
    TooLarge {
        /// Where it is, e.g. `skills[3].input`.
        field: String,
        /// How many bytes it has.
        found: usize,
        /// How many it may have.
        max: usize,
    },
    /// What a skill takes or returns is not told by a JSON Schema.
    #[error("{field} is no JSON Schema: {reason}")]
    Schema {
        /// Where it is, e.g. `skills[3].input`.
        field: String,
        /// Why not.
        reason: String,
    },
    /// A text holds control characters or marks that change the direction of text.
    #[error("{field} holds characters that are not safe to print")]
    Unprintable {
        /// Where the text is.
        field: String,
    },
    /// A name that must be there is empty.
    #[error("{field} is empty")]
    Empty {
        /// Where the name should be.
        field: String,
    },
    /// Two skills have the same name.
    #[error("{field} repeats the name of an earlier skill")]
    Repeated {
        /// Where the second one is.
        field: String,
    },
    /// The labels break their rules.
    #[error("labels: {0}")]
    Labels(#[from] LabelError),
}

impl Capabilities {
    /// Checks every bound, and says which is broken first.
    ///
    /// # Errors
    /// [`CapabilityError`] names the field and its limit.
    pub fn validate(&self) -> Result<(), CapabilityError> {
        check_text("os.name", &self.os.name)?;
        check_text("os.version", &self.os.version)?;
        check_text("os.family", &self.os.family)?;
        check_text("kernel", &self.kernel)?;
        check_text("arch", &self.arch)?;
        check_list("disks", &self.disks, MAX_DISKS, |disk| vec![("mount", &disk.mount)])?;
        check_list("gpus", &self.gpus, MAX_GPUS, |gpu| {
            vec![("name", &gpu.name), ("vendor", &gpu.vendor)]
        })?;
        check_list("runtimes", &self.runtimes, MAX_RUNTIMES, |runtime| {
            vec![("name", &runtime.name), ("version", &runtime.version), ("path", &runtime.path)]
        })?;
        check_list("skills", &self.skills, MAX_SKILLS, |skill| {
            vec![("name", &skill.name), ("version", &skill.version)]
        })?;
        check_named("runtimes", self.runtimes.iter().map(|runtime| &runtime.name))?;
        check_named("skills", self.skills.iter().map(|skill| &skill.name))?;
        for (index, skill) in self.skills.iter().enumerate() {
            if self.skills[..index].iter().any(|earlier| earlier.name == skill.name) {
                return Err(CapabilityError::Repeated { field: format!("skills[{index}].name") });
            }
        }
        check_forms(&self.skills)?;
        check_labels(&self.labels)?;
        Ok(())
    }

    /// The same without what is said of skills beyond name and version.
    #[must_use]
    pub fn without_forms(&self) -> Self {
        let nothing = Arc::<Form>::default();
        let mut bare = self.clone();
        for skill in &mut bare.skills {
            skill.form = Arc::clone(&nothing);
        }
        bare
    }

    /// The skill of that name, where the node offers it.
    #[must_use]
    pub fn skill(&self, name: &str) -> Option<&OfferedSkill> {
        self.skills.iter().find(|skill| skill.name == name)
    }

    /// The first runtime of that name, where the node has it.
    #[must_use]
    pub fn runtime(&self, name: &str) -> Option<&Runtime> {
        self.runtimes.iter().find(|runtime| runtime.name == name)
    }
}

fn check_text(field: &str, text: &str) -> Result<(), CapabilityError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(CapabilityError::TooLong { field: field.to_owned(), found: text.len() });
    }
    if !is_inert(text) {
        return Err(CapabilityError::Unprintable { field: field.to_owned() });
    }
    Ok(())
}

fn check_list<T>(
    field: &'static str,
    entries: &[T],
    max: usize,
    texts: impl Fn(&T) -> Vec<(&'static str, &String)>,
) -> Result<(), CapabilityError> {
    if entries.len() > max {
        return Err(CapabilityError::TooMany { field, found: entries.len(), max });
    }
    for (index, entry) in entries.iter().enumerate() {
        for (part, text) in texts(entry) {
            check_text(&format!("{field}[{index}].{part}"), text)?;
        }
    }
    Ok(())
}

fn check_named<'a>(
    field: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), CapabilityError> {
    for (index, name) in names.enumerate() {
        if name.is_empty() {
            return Err(CapabilityError::Empty { field: format!("{field}[{index}].name") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
