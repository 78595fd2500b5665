//! The fields that a requirement can ask for.

use std::fmt;

/// Something that a node can have; labels are asked for as `label.KEY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// The operating system's family.
    Os,
    /// The operating system's name.
    OsName,
    /// The operating system's version.
    OsVersion,
    /// The kernel's release.
    Kernel,
    /// The processor architecture.
    Arch,
    /// Logical processors.
    CpuCores,
    /// Main memory.
    Memory,
    /// Size of the largest disk.
    DiskTotal,
    /// Most free room on one disk.
    DiskFree,
    /// Graphics processors.
    GpuCount,
    /// Memory of the largest graphics processor.
    GpuMemory,
    /// Names of the graphics processors.
    GpuNames,
    /// Makers of the graphics processors.
    GpuVendors,
    /// Names of the runtimes that were found.
    Runtimes,
    /// Names of the skills that are offered.
    Skills,
}

/// What can be said of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// A text: `==`, `!=`, `in [...]`.
    Text,
    /// A whole number: `==`, `!=`, `<`, `<=`, `>`, `>=`.
    Count,
    /// An amount with a unit, compared like a number.
    Bytes,
    /// A set of texts: `"x" in FIELD`.
    Set,
}

/// All fields with their names, types and meanings: the one table that reading, suggesting and the
/// documentation follow.
pub const FIELDS: [(Field, &str, Type, &str); 15] = [
    (Field::Os, "os", Type::Text, "family: `linux`, `macos`, `windows`, `freebsd` and so on"),
    (Field::OsName, "os.name", Type::Text, "name, e.g. `Debian GNU/Linux`"),
    (Field::OsVersion, "os.version", Type::Text, "version, e.g. `13`"),
    (Field::Kernel, "kernel", Type::Text, "the kernel's release, e.g. `6.12.48`"),
    (Field::Arch, "arch", Type::Text, "processor: `x86_64`, `aarch64` and so on"),
    (Field::CpuCores, "cpu.cores", Type::Count, "logical processors"),
    (Field::Memory, "memory", Type::Bytes, "main memory"),
    (Field::DiskTotal, "disk.total", Type::Bytes, "size of the largest disk"),
    (
        Field::DiskFree,
        "disk.free",
        Type::Bytes,
        "most free room on one disk, when the node connected",
    ),
    (Field::GpuCount, "gpu.count", Type::Count, "graphics processors"),
    (
        Field::GpuMemory,
        "gpu.memory",
        Type::Bytes,
        "memory of the largest one; 0 where there is none",
    ),
    (Field::GpuNames, "gpu.names", Type::Set, "their names, e.g. `NVIDIA A100`"),
    (Field::GpuVendors, "gpu.vendors", Type::Set, "their makers"),
    (Field::Runtimes, "runtimes", Type::Set, "names of the runtimes found, e.g. `python3`"),
    (Field::Skills, "skills", Type::Set, "names of the skills offered, e.g. `shell`"),
];

/// What stands before the key of a label.
pub(super) const LABEL: &str = "label.";

/// Words of other systems for what is meant, by field.
const OTHER_WORDS: [(Field, &str, &str); 6] = [
    (Field::Arch, "amd64", "x86_64"),
    (Field::Arch, "x64", "x86_64"),
    (Field::Arch, "x86-64", "x86_64"),
    (Field::Arch, "arm64", "aarch64"),
    (Field::Os, "darwin", "macos"),
    (Field::Os, "osx", "macos"),
];

impl Field {
    /// The field of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Its name, e.g. `gpu.memory`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What can be said of it.
    #[must_use]
    pub fn kind(self) -> Type {
        self.row().2
    }

    fn row(self) -> &'static (Field, &'static str, Type, &'static str) {
        // The table is in the order of the variants; a test holds that.
        &FIELDS[self as usize]
    }
}

impl Type {
    /// What it is, for a message.
    pub(super) fn word(self) -> &'static str {
        match self {
            Type::Text => "a text",
            Type::Count => "a number",
            Type::Bytes => "an amount of bytes",
            Type::Set => "a set of texts",
        }
    }

    /// How it is asked for, for a hint.
    pub(super) fn example(self, field: &str) -> String {
        match self {
            Type::Text => format!("write {field} == \"…\", or {field} in [\"…\", \"…\"]"),
            Type::Count => format!("write {field} >= 4"),
            Type::Bytes => format!("write {field} >= 16GiB"),
            Type::Set => format!("write \"…\" in {field}"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The field that somebody may have meant who wrote `name`.
pub(super) fn field_like(name: &str) -> Option<&'static str> {
    // More is no slip of the finger.
    const MOST_EDITS: usize = 2;
    let name = name.to_ascii_lowercase();
    let names = || FIELDS.iter().map(|row| row.1);
    let near = names().map(|known| (edits(&name, known), known)).min_by_key(|(edits, _)| *edits);
    if let Some((edits, known)) = near
        && edits <= MOST_EDITS.min(name.chars().count() / 2)
    {
        return Some(known);
    }
    if name == "label" || name == "labels" || name.starts_with("labels.") {
        return Some("label.KEY");
    }
    if matches!(name.as_str(), "ram" | "mem") {
        return Some(Field::Memory.name());
    }
    names().find(|known| known.split('.').any(|part| part == name))
}

/// The word that nodes use for what `value` says in another way.
pub(super) fn value_like(field: Field, value: &str) -> Option<String> {
    if !matches!(field, Field::Os | Field::Arch) {
        return None;
    }
    let lower = value.to_ascii_lowercase();
    let other = OTHER_WORDS.iter().find(|(of, word, _)| *of == field && *word == lower);
    match other {
        Some((_, _, word)) => Some((*word).to_owned()),
        None if lower != value => Some(lower),
        None => None,
    }
}

/// How many letters must be put in, taken out or changed to make one text of the other.
fn edits(a: &str, b: &str) -> usize {
    // Long texts are no field's name, whatever is changed.
    if a.len() > 32 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_variants() {
        for (index, (field, name, kind, _)) in FIELDS.iter().enumerate() {
            assert_eq!((*field as usize, field.name(), field.kind()), (index, *name, *kind));
            assert_eq!(Field::named(name), Some(*field));
        }
    }

    #[test]
    fn the_documentation_has_every_field() {
        let page = include_str!("../../../../../docs/requirements.md");
        for (_, name, kind, meaning) in FIELDS {
            let row = format!("| `{name}` | {} | {meaning} |", kind.word());
            assert!(page.contains(&row), "docs/requirements.md lacks: {row}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        for (typed, meant) in [
            ("gpu.memry", Some("gpu.memory")),
            ("OS", Some("os")),
            ("cores", Some("cpu.cores")),
            ("skill", Some("skills")),
            ("ram", Some("memory")),
            ("labels.role", Some("label.KEY")),
            ("gpu", Some("gpu.count")),
            ("weather", None),
            ("x", None),
        ] {
            assert_eq!(field_like(typed), meant, "{typed}");
        }
        assert_eq!(field_like(&"m".repeat(5000)), None);
    }

    #[test]
    fn words_of_other_systems_are_understood() {
        assert_eq!(value_like(Field::Arch, "amd64").as_deref(), Some("x86_64"));
        assert_eq!(value_like(Field::Os, "Linux").as_deref(), Some("linux"));
        assert_eq!(value_like(Field::Os, "linux"), None);
        assert_eq!(value_like(Field::OsName, "Debian"), None);
    }
}
