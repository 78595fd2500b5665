//! What is known of a node, and the value of a field in it.

use std::collections::BTreeMap;

use crate::capability::Capabilities;
use crate::capability::requirement::expression::Subject;
use crate::capability::requirement::field::Field;

/// What is known of a node.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Labels given by its owner; they stand before those of the node's own.
    pub labels: &'a BTreeMap<String, String>,
    /// What it stated; `None` until it first connected.
    pub capabilities: Option<&'a Capabilities>,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// The node did not say.
    Unknown,
    /// It is known that there is none; of labels only.
    Absent,
    /// A text.
    Text(&'a str),
    /// A count, or an amount in bytes.
    Number(u64),
    /// A set of texts, perhaps with repetitions.
    Set(Vec<&'a str>),
}

impl<'a> Facts<'a> {
    /// The value of what a condition is about.
    pub(crate) fn value(&self, subject: &Subject) -> Value<'a> {
        match subject {
            Subject::Label(key) => self.label(key),
            Subject::Field(field) => {
                self.capabilities.map_or(Value::Unknown, |stated| stated_value(stated, *field))
            }
        }
    }

    fn label(&self, key: &str) -> Value<'a> {
        let own = |stated: &'a Capabilities| stated.labels.get(key);
        match self.labels.get(key).or_else(|| self.capabilities.and_then(own)) {
            Some(value) => Value::Text(value),
            // The node may have a label of its own that it has not stated yet.
            None if self.capabilities.is_none() => Value::Unknown,
            None => Value::Absent,
        }
    }
}

fn stated_value(stated: &Capabilities, field: Field) -> Value<'_> {
    let disks = || stated.disks.iter().filter(|disk| disk.total_bytes > 0);
    let gpus = &stated.gpus;
    match field {
        Field::Os => text(&stated.os.family),
        Field::OsName => text(&stated.os.name),
        Field::OsVersion => text(&stated.os.version),
        Field::Kernel => text(&stated.kernel),
        Field::Arch => text(&stated.arch),
        Field::CpuCores => positive(u64::from(stated.cores)),
        Field::Memory => positive(stated.memory_bytes),
        Field::DiskTotal => largest(disks().map(|disk| disk.total_bytes)),
        Field::DiskFree => largest(disks().map(|disk| disk.available_bytes)),
        Field::GpuCount => Value::Number(gpus.len() as u64),
        Field::GpuMemory if gpus.is_empty() => Value::Number(0),
        Field::GpuMemory => {
            largest(gpus.iter().map(|gpu| gpu.memory_bytes).filter(|bytes| *bytes > 0))
        }
        Field::GpuNames => Value::Set(gpus.iter().map(|gpu| gpu.name.as_str()).collect()),
        Field::GpuVendors => Value::Set(gpus.iter().map(|gpu| gpu.vendor.as_str()).collect()),
        Field::Runtimes => {
            Value::Set(stated.runtimes.iter().map(|runtime| runtime.name.as_str()).collect())
        }
        Field::Skills => {
            Value::Set(stated.skills.iter().map(|skill| skill.name.as_str()).collect())
        }
    }
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Unknown } else { Value::Text(text) }
}

fn positive(number: u64) -> Value<'static> {
    if number == 0 { Value::Unknown } else { Value::Number(number) }
}

fn largest(amounts: impl Iterator<Item = u64>) -> Value<'static> {
    amounts.max().map_or(Value::Unknown, Value::Number)
}
