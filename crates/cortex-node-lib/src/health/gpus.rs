//! Graphics processors: what the kernel shows, and what NVIDIA's tool says where it is there.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cortex_core::capability::Gpu;
use cortex_core::capability::MAX_GPUS;
use tokio::process::Command;
use tokio::time::timeout;

use super::machine::clean;

/// NVIDIA's tool can take long where the driver is in trouble.
const LIMIT: Duration = Duration::from_secs(2);

const DRM: &str = "/sys/class/drm";

/// Looks for graphics processors.
pub(super) async fn find(directories: &[PathBuf]) -> Vec<Gpu> {
    let asked = ask_nvidia(directories).await;
    let mut found = in_kernel(Path::new(DRM));
    if !asked.is_empty() {
        found.retain(|gpu| gpu.vendor != "NVIDIA");
    }
    found.splice(0..0, asked);
    found.truncate(MAX_GPUS);
    found
}

async fn ask_nvidia(directories: &[PathBuf]) -> Vec<Gpu> {
    let mut candidates = directories.iter().map(|directory| directory.join("nvidia-smi"));
    let Some(tool) = candidates.find(|path| path.is_file()) else { return Vec::new() };
    let asked = Command::new(tool)
        .args(["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(LIMIT, asked).await {
        Ok(Ok(output)) if output.status.success() => {
            read_nvidia(&String::from_utf8_lossy(&output.stdout))
        }
        _ => Vec::new(),
    }
}

fn read_nvidia(text: &str) -> Vec<Gpu> {
    let line = |line: &str| {
        let (name, mebibytes) = line.rsplit_once(',')?;
        let mebibytes: u64 = mebibytes.trim().parse().ok()?;
        let memory_bytes = mebibytes.saturating_mul(1 << 20);
        Some(Gpu { name: clean(name), vendor: "NVIDIA".to_owned(), memory_bytes })
    };
    text.lines().filter_map(line).collect()
}

/// The cards of a directory such as `/sys/class/drm`.
fn in_kernel(drm: &Path) -> Vec<Gpu> {
    let Ok(entries) = std::fs::read_dir(drm) else { return Vec::new() };
    let mut cards: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("card"));
            // "card0" is a card, "card0-HDMI-A-1" one of its sockets.
            number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map(|entry| entry.path().join("device"))
        .collect();
    cards.sort();
    cards.iter().filter_map(|device| read_card(device)).collect()
}

fn read_card(device: &Path) -> Option<Gpu> {
    let read = |name: &str| std::fs::read_to_string(device.join(name)).ok();
    let vendor_id = read("vendor")?.trim().to_owned();
    let device_id = read("device")?.trim().to_owned();
    let vendor = match vendor_id.as_str() {
        "0x10de" => "NVIDIA",
        "0x1002" => "AMD",
        "0x8086" => "Intel",
        other => other,
    };
    let memory = read("mem_info_vram_total").and_then(|text| text.trim().parse().ok());
    Some(Gpu {
        name: clean(&format!("{vendor} {device_id}")),
        vendor: clean(vendor),
        memory_bytes: memory.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nvidias_answer_is_read() {
        let found = read_nvidia("NVIDIA L4, 23034\nbroken line\nTesla, V100, 16384\n");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].memory_bytes), ("NVIDIA L4", 23034 << 20));
        assert_eq!(found[1].name, "Tesla, V100");
    }

    #[test]
    fn cards_of_the_kernel_are_read_and_sockets_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (card, vendor) in [("card0", "0x1002"), ("card0-DP-1", "0x1002"), ("card1", "0x1a03")] {
            let device = root.path().join(card).join("device");
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("vendor"), format!("{vendor}\n")).unwrap();
            std::fs::write(device.join("device"), "0x73bf\n").unwrap();
        }
        std::fs::write(root.path().join("card0/device/mem_info_vram_total"), "17163091968\n")
            .unwrap();
        let found = in_kernel(root.path());
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].memory_bytes), ("AMD 0x73bf", 17_163_091_968));
        assert_eq!(found[1].vendor, "0x1a03");
    }
}
