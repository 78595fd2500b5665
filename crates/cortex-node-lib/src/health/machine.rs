//! What can be told of the machine at once.

use cortex_core::capability::Capabilities;
use cortex_core::capability::Disk;
use cortex_core::capability::DiskKind;
use cortex_core::capability::MAX_TEXT_BYTES;
use cortex_core::capability::OperatingSystem;
use sysinfo::DiskRefreshKind;
use sysinfo::Disks;
use sysinfo::MemoryRefreshKind;
use sysinfo::RefreshKind;
use sysinfo::System;

/// How many disks are told; the wire takes no more.
const MOST_DISKS: usize = 64;

/// File systems that are no disks.
const NO_DISKS: [&str; 5] = ["overlay", "tmpfs", "squashfs", "devtmpfs", "proc"];

/// Reads what the system tells without starting anything.
pub(super) fn look() -> Capabilities {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Capabilities {
        os: OperatingSystem {
            name: clean(&System::name().unwrap_or_default()),
            version: clean(&System::os_version().unwrap_or_default()),
            family: std::env::consts::OS.to_owned(),
        },
        kernel: clean(&System::kernel_version().unwrap_or_default()),
        arch: std::env::consts::ARCH.to_owned(),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        memory_bytes: system.map_or(0, |system| system.total_memory()),
        disks: disks(),
        ..Capabilities::default()
    }
}

fn disks() -> Vec<Disk> {
    let refreshed = DiskRefreshKind::nothing().with_kind().with_storage();
    let Ok(found) = Disks::new_with_refreshed_list_specifics(refreshed) else { return Vec::new() };
    let mut disks: Vec<Disk> = Vec::new();
    for disk in &found {
        let file_system = disk.file_system().to_string_lossy();
        let is_root = disk.mount_point() == "/";
        if disk.total_space() == 0 || (NO_DISKS.contains(&file_system.as_ref()) && !is_root) {
            continue;
        }
        let mount = clean(&disk.mount_point().to_string_lossy());
        if disks.iter().any(|known| known.mount == mount) {
            continue;
        }
        disks.push(Disk {
            mount,
            total_bytes: disk.total_space(),
            available_bytes: disk.available_space(),
            kind: match disk.kind() {
                sysinfo::DiskKind::HDD => DiskKind::Hdd,
                sysinfo::DiskKind::SSD => DiskKind::Ssd,
                sysinfo::DiskKind::Unknown(_) => DiskKind::Unknown,
            },
        });
    }
    disks.truncate(MOST_DISKS);
    disks
}

/// Text that is harmless and short enough to be told.
pub(super) fn clean(text: &str) -> String {
    let kept =
        |c: &char| c.is_ascii_graphic() || *c == ' ' || (c.is_alphanumeric() && !c.is_ascii());
    let mut text: String = text.trim().chars().filter(kept).collect();
    let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_told() {
        let found = look();
        found.validate().unwrap();
        assert!(found.cores > 0 && found.memory_bytes > 0);
        assert_eq!(found.os.family, std::env::consts::OS);
        assert!(!found.kernel.is_empty());
    }

    #[test]
    fn text_is_cleaned_and_cut() {
        assert_eq!(clean(" Debian\u{1b}[2J\n"), "Debian[2J");
        assert_eq!(clean("Größe"), "Größe");
        assert_eq!(clean(&"é".repeat(300)).len(), MAX_TEXT_BYTES);
    }
}
