//! Capabilities.

use std::sync::Arc;

use cortex_core::capability::Capabilities;
use cortex_core::capability::Disk;
use cortex_core::capability::DiskKind;
use cortex_core::capability::Form;
use cortex_core::capability::Gpu;
use cortex_core::capability::OfferedSkill;
use cortex_core::capability::OperatingSystem;
use cortex_core::capability::Runtime;
use cortex_core::capability::Schema;

use super::ConvertError;
use crate::v1;

impl TryFrom<v1::Capabilities> for Capabilities {
    type Error = ConvertError;

    fn try_from(wire: v1::Capabilities) -> Result<Self, ConvertError> {
        let os = wire.os.unwrap_or_default();
        let capabilities = Self {
            os: OperatingSystem { name: os.name, version: os.version, family: os.family },
            kernel: wire.kernel,
            arch: wire.arch,
            cores: wire.cores,
            memory_bytes: wire.memory_bytes,
            disks: wire.disks.into_iter().map(parse_disk).collect(),
            gpus: wire
                .gpus
                .into_iter()
                .map(|gpu| Gpu {
                    name: gpu.name,
                    vendor: gpu.vendor,
                    memory_bytes: gpu.memory_bytes,
                })
                .collect(),
            runtimes: wire
                .runtimes
                .into_iter()
                .map(|runtime| Runtime {
                    name: runtime.name,
                    version: runtime.version,
                    path: runtime.path,
                })
                .collect(),
            skills: wire.skills.into_iter().map(OfferedSkill::from).collect(),
            labels: wire.labels.into_iter().collect(),
            // Stated beside them.
            max_tasks: 0,
        };
        capabilities.validate().map_err(|error| ConvertError::bad("capabilities", error))?;
        Ok(capabilities)
    }
}

fn parse_disk(wire: v1::Disk) -> Disk {
    let kind = match wire.kind.as_str() {
        "ssd" => DiskKind::Ssd,
        "hdd" => DiskKind::Hdd,
        _ => DiskKind::Unknown,
    };
    Disk {
        mount: wire.mount,
        total_bytes: wire.total_bytes,
        available_bytes: wire.available_bytes,
        kind,
    }
}

impl From<Capabilities> for v1::Capabilities {
    fn from(capabilities: Capabilities) -> Self {
        let os = capabilities.os;
        Self {
            os: Some(v1::OperatingSystem { name: os.name, version: os.version, family: os.family }),
            kernel: capabilities.kernel,
            arch: capabilities.arch,
            cores: capabilities.cores,
            memory_bytes: capabilities.memory_bytes,
            disks: capabilities.disks.into_iter().map(v1::Disk::from).collect(),
            gpus: capabilities
                .gpus
                .into_iter()
                .map(|gpu| v1::Gpu {
                    name: gpu.name,
                    vendor: gpu.vendor,
                    memory_bytes: gpu.memory_bytes,
                })
                .collect(),
            runtimes: capabilities
                .runtimes
                .into_iter()
                .map(|runtime| v1::Runtime {
                    name: runtime.name,
                    version: runtime.version,
                    path: runtime.path,
                })
                .collect(),
            skills: capabilities.skills.into_iter().map(v1::SkillInfo::from).collect(),
            labels: capabilities.labels.into_iter().collect(),
        }
    }
}

impl From<v1::SkillInfo> for OfferedSkill {
    fn from(wire: v1::SkillInfo) -> Self {
        let form = Form {
            summary: wire.summary,
            input: Schema::unread(wire.input_schema),
            output: Schema::unread(wire.output_schema),
        };
        Self { name: wire.name, version: wire.version, form: Arc::new(form) }
    }
}

impl From<OfferedSkill> for v1::SkillInfo {
    fn from(skill: OfferedSkill) -> Self {
        Self {
            name: skill.name,
            version: skill.version,
            summary: skill.form.summary.clone(),
            input_schema: skill.form.input.text().to_owned(),
            output_schema: skill.form.output.text().to_owned(),
        }
    }
}

impl From<Disk> for v1::Disk {
    fn from(disk: Disk) -> Self {
        let kind = match disk.kind {
            DiskKind::Ssd => "ssd",
            DiskKind::Hdd => "hdd",
            _ => "unknown",
        };
        Self {
            mount: disk.mount,
            total_bytes: disk.total_bytes,
            available_bytes: disk.available_bytes,
            kind: kind.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_survive_the_way() {
        let disk =
            Disk { mount: "/".into(), total_bytes: 9, available_bytes: 8, kind: DiskKind::Ssd };
        let capabilities = Capabilities {
            os: OperatingSystem {
                name: "Debian".into(),
                version: "12".into(),
                family: "linux".into(),
            },
            kernel: "6.1".into(),
            arch: "x86_64".into(),
            cores: 2,
            memory_bytes: 7,
            disks: vec![disk],
            gpus: vec![Gpu { name: "L4".into(), vendor: "NVIDIA".into(), memory_bytes: 5 }],
            runtimes: vec![Runtime {
                name: "python3".into(),
                version: "3.11".into(),
                path: "/usr/bin/python3".into(),
            }],
            skills: vec![OfferedSkill {
                name: "shell".into(),
                version: "1".into(),
                form: Arc::new(Form {
                    summary: "Runs programs.".into(),
                    input: Schema::unread(r#"{"type":"object"}"#),
                    output: Schema::unread("true"),
                }),
            }],
            labels: [("role".to_owned(), "build".to_owned())].into(),
            max_tasks: 0,
        };
        let wire = v1::Capabilities::from(capabilities.clone());
        assert_eq!(Capabilities::try_from(wire), Ok(capabilities));
    }

    #[test]
    fn too_much_is_refused() {
        let wire = v1::Capabilities { kernel: "k".repeat(100_000), ..Default::default() };
        assert!(Capabilities::try_from(wire).is_err());
    }
}
