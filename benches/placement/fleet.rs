//! Machines as they are found, and what is asked of them.

use std::collections::BTreeMap;

use cortex_core::capability::Capabilities;
use cortex_core::capability::Disk;
use cortex_core::capability::Facts;
use cortex_core::capability::Gpu;
use cortex_core::capability::OfferedSkill;
use cortex_core::capability::OperatingSystem;
use cortex_core::capability::Runtime;
use cortex_core::id::NodeId;
use cortex_core::placement::Seats;
use cortex_core::task::Target;

use crate::random::Random;

const ZONES: [&str; 6] = ["eu-1", "eu-2", "us-1", "us-2", "ap-1", "ap-2"];
const ROLES: [&str; 5] = ["build", "test", "web", "train", "spare"];
const SKILLS: [&str; 6] = ["shell", "browser", "terminal", "mirror", "ping", "paint"];
const RUNTIMES: [&str; 5] = ["python3", "node", "java", "go", "docker"];

/// A node.
#[derive(Debug)]
pub(crate) struct Machine {
    node: NodeId,
    stated: Capabilities,
    labels: BTreeMap<String, String>,
    free: u32,
}

impl Machine {
    pub(crate) fn any(random: &mut Random) -> Self {
        let gpus = *random.pick(&[0, 0, 0, 1, 2, 8]);
        let memory = *random.pick(&[8_u64, 16, 24, 40, 80]) << 30;
        let gpu = Gpu { name: "A100".into(), vendor: "NVIDIA".into(), memory_bytes: memory };
        let some = |random: &mut Random, of: &[&str]| -> Vec<String> {
            of.iter().filter(|_| random.below(2) == 0).map(|name| (*name).to_owned()).collect()
        };
        let total_bytes = (128 + u64::from(random.below(4_000))) << 30;
        let available_bytes = total_bytes / (1 + u64::from(random.below(9)));
        let stated = Capabilities {
            os: OperatingSystem {
                family: (*random.pick(&["linux", "linux", "linux", "macos", "windows"])).to_owned(),
                ..OperatingSystem::default()
            },
            arch: (*random.pick(&["x86_64", "x86_64", "aarch64"])).to_owned(),
            cores: *random.pick(&[2, 4, 8, 16, 32, 64]),
            memory_bytes: (4 + u64::from(random.below(252))) << 30,
            disks: vec![Disk { total_bytes, available_bytes, ..Disk::default() }],
            gpus: vec![gpu; gpus],
            runtimes: some(random, &RUNTIMES)
                .into_iter()
                .map(|name| Runtime { name, ..Runtime::default() })
                .collect(),
            skills: some(random, &SKILLS)
                .into_iter()
                .map(|name| OfferedSkill { name, ..OfferedSkill::default() })
                .collect(),
            ..Capabilities::default()
        };
        let labels = BTreeMap::from([
            ("zone".to_owned(), (*random.pick(&ZONES)).to_owned()),
            ("role".to_owned(), (*random.pick(&ROLES)).to_owned()),
        ]);
        let free = random.below(17);
        Self { node: NodeId::from_bytes(random.bytes()), stated, labels, free }
    }

    pub(crate) fn seats(&self) -> Seats<'_> {
        let facts = Facts { labels: &self.labels, capabilities: Some(&self.stated) };
        Seats { node: self.node, facts, free: self.free }
    }
}

/// A requirement of two to five conditions.
pub(crate) fn any_target(random: &mut Random) -> Target {
    let conditions: Vec<_> = (0..2 + random.below(4)).map(|_| any_condition(random)).collect();
    let text = conditions.join(" && ");
    Target::Requires(text.parse().expect("the conditions are good"))
}

fn any_condition(random: &mut Random) -> String {
    match random.below(9) {
        0 => "os == \"linux\"".to_owned(),
        1 => format!("cpu.cores >= {}", 1 + random.below(16)),
        2 => format!("memory >= {}MiB", 1 + random.below(64 << 10)),
        3 => format!("disk.free >= {}GiB", 1 + random.below(128)),
        4 => format!("(gpu.count == 0 || gpu.memory >= {}GiB)", 1 + random.below(40)),
        5 => format!("\"{}\" in skills", random.pick(&SKILLS)),
        6 => format!("!(\"{}\" in runtimes)", random.pick(&RUNTIMES)),
        7 => format!("label.zone in [\"{}\", \"{}\"]", random.pick(&ZONES), random.pick(&ZONES)),
        _ => format!("label.role != \"{}\"", random.pick(&ROLES)),
    }
}
