//! Tests of what a node may state about itself.

use super::*;

fn sample() -> Capabilities {
    Capabilities {
        os: OperatingSystem {
            name: "Debian GNU/Linux".into(),
            version: "13".into(),
            family: "linux".into(),
        },
        kernel: "6.12.48".into(),
        arch: "x86_64".into(),
        cores: 8,
        memory_bytes: 16 << 30,
        disks: vec![Disk {
            mount: "/".into(),
            total_bytes: 1 << 40,
            available_bytes: 1 << 39,
            kind: DiskKind::Ssd,
        }],
        gpus: vec![Gpu { name: "A100".into(), vendor: "NVIDIA".into(), memory_bytes: 80 << 30 }],
        runtimes: vec![Runtime {
            name: "python3".into(),
            version: "3.13.5".into(),
            path: "/usr/bin/python3".into(),
        }],
        skills: vec![OfferedSkill {
            name: "shell".into(),
            version: "1".into(),
            ..OfferedSkill::default()
        }],
        labels: BTreeMap::from([("zone".into(), "eu-1".into())]),
        max_tasks: 4,
    }
}

#[test]
fn a_whole_statement_is_valid_and_round_trips() {
    let stated = sample();
    assert_eq!(stated.validate(), Ok(()));
    let json = serde_json::to_string(&stated).unwrap();
    assert!(json.contains("\"kind\":\"ssd\""), "{json}");
    assert_eq!(serde_json::from_str::<Capabilities>(&json).unwrap(), stated);
    assert_eq!(stated.skill("shell").unwrap().version, "1");
    assert_eq!(stated.skill("browser"), None);
    assert_eq!(stated.runtime("python3").unwrap().path, "/usr/bin/python3");
}

#[test]
fn a_statement_of_another_version_stays_readable() {
    let json = r#"{"cores":2,"quantum":true,"disks":[{"mount":"/","kind":"tape"}]}"#;
    let stated: Capabilities = serde_json::from_str(json).unwrap();
    assert_eq!((stated.cores, stated.disks[0].kind), (2, DiskKind::Unknown));
    assert_eq!(stated.validate(), Ok(()));
}

#[test]
fn every_list_has_its_limit() {
    let full = |change: &dyn Fn(&mut Capabilities)| {
        let mut stated = sample();
        change(&mut stated);
        stated.validate()
    };
    let too_many = |field, max| Err(CapabilityError::TooMany { field, found: max + 1, max });
    let skill = |n: usize| OfferedSkill { name: format!("s{n}"), ..OfferedSkill::default() };
    assert_eq!(full(&|c| c.gpus = vec![Gpu::default(); MAX_GPUS]), Ok(()));
    assert_eq!(full(&|c| c.gpus = vec![Gpu::default(); MAX_GPUS + 1]), too_many("gpus", MAX_GPUS));
    assert_eq!(
        full(&|c| c.disks = vec![Disk::default(); MAX_DISKS + 1]),
        too_many("disks", MAX_DISKS)
    );
    assert_eq!(
        full(&|c| c.runtimes = vec![sample().runtimes[0].clone(); MAX_RUNTIMES + 1]),
        too_many("runtimes", MAX_RUNTIMES)
    );
    assert_eq!(full(&|c| c.skills = (0..MAX_SKILLS).map(skill).collect()), Ok(()));
    assert_eq!(
        full(&|c| c.skills = (0..=MAX_SKILLS).map(skill).collect()),
        too_many("skills", MAX_SKILLS)
    );
}

#[test]
fn the_error_names_the_text_that_is_wrong() {
    let mut long = sample();
    long.gpus.push(Gpu { vendor: "v".repeat(MAX_TEXT_BYTES + 1), ..Gpu::default() });
    let field = "gpus[1].vendor".to_owned();
    assert_eq!(long.validate(), Err(CapabilityError::TooLong { field, found: MAX_TEXT_BYTES + 1 }));

    let mut escape = sample();
    escape.kernel = "6.12\u{1b}]52;c;".into();
    assert_eq!(escape.validate(), Err(CapabilityError::Unprintable { field: "kernel".into() }));

    let mut nameless = sample();
    nameless.runtimes[0].name.clear();
    assert_eq!(
        nameless.validate(),
        Err(CapabilityError::Empty { field: "runtimes[0].name".into() })
    );

    let mut repeated = sample();
    repeated.skills.push(OfferedSkill {
        name: "shell".into(),
        version: "2".into(),
        ..OfferedSkill::default()
    });
    assert_eq!(
        repeated.validate(),
        Err(CapabilityError::Repeated { field: "skills[1].name".into() })
    );

    let mut labelled = sample();
    labelled.labels.insert("a b".into(), String::new());
    let error = labelled.validate().unwrap_err();
    assert!(matches!(error, CapabilityError::Labels(LabelError::Key { .. })), "{error}");
}
