//! Tests of what a requirement means and how its faults are told.

use std::collections::BTreeMap;

use super::*;
use crate::ErrorKind;
use crate::capability::Capabilities;
use crate::capability::Disk;
use crate::capability::Gpu;
use crate::capability::OfferedSkill;
use crate::capability::OperatingSystem;

fn stated() -> Capabilities {
    Capabilities {
        os: OperatingSystem { family: "linux".into(), ..OperatingSystem::default() },
        arch: "x86_64".into(),
        cores: 8,
        memory_bytes: 16_623_108_096,
        disks: vec![
            Disk { total_bytes: 1 << 40, available_bytes: 1 << 39, ..Disk::default() },
            Disk { total_bytes: 1 << 41, available_bytes: 1 << 30, ..Disk::default() },
        ],
        gpus: vec![
            Gpu { name: "T4".into(), vendor: "NVIDIA".into(), memory_bytes: 8 << 30 },
            Gpu::default(),
        ],
        skills: vec![OfferedSkill {
            name: "shell".into(),
            version: "1".into(),
            ..OfferedSkill::default()
        }],
        labels: BTreeMap::from([
            ("rack".into(), "b2".into()),
            ("role".into(), "of-the-node".into()),
        ]),
        ..Capabilities::default()
    }
}

fn owners() -> BTreeMap<String, String> {
    BTreeMap::from([("role".into(), "a".into()), ("example.org/zone".into(), "eu-1".into())])
}

fn reasons(text: &str) -> Vec<String> {
    let (stated, labels) = (stated(), owners());
    let facts = Facts { labels: &labels, capabilities: Some(&stated) };
    let requirement: Requirement = text.parse().unwrap();
    let unmet = requirement.unmet(&facts);
    assert_eq!(requirement.fits(&facts), unmet.is_empty(), "{text}");
    unmet.iter().map(ToString::to_string).collect()
}

fn fault(text: &str) -> (usize, &'static str, String, Option<String>) {
    let error = text.parse::<Requirement>().unwrap_err();
    (error.column(), error.code(), error.fault().to_string(), error.hint())
}

#[test]
fn a_node_that_has_everything_fits() {
    for text in [
        "os == \"linux\"",
        "os == 'linux' && arch in [\"x86_64\", \"aarch64\"]",
        "cpu.cores >= 8 && cpu.cores <= 8 && cpu.cores == 8 && cpu.cores != 9 && !(cpu.cores < 4)",
        "memory >= 15GiB && memory < 16 GiB && memory > 16GB",
        "disk.total >= 2TiB && disk.free >= 512GiB",
        "gpu.count == 2 && gpu.memory >= 8GiB && \"T4\" in gpu.names",
        "\"shell\" in skills && !(\"browser\" in skills)",
        "label.role in [\"a\", \"b\"] && label.rack == \"b2\" && label.example.org/zone",
        "label.none != \"x\" && !label.none",
        "os == \"macos\" || (gpu.memory >= 99GiB || cpu.cores > 4)",
        "!(os == \"macos\" || \"browser\" in skills)",
    ] {
        assert_eq!(reasons(text), [""; 0], "{text}");
    }
}

#[test]
fn every_reason_is_a_sentence() {
    for (text, reason) in [
        ("gpu.memory >= 16GiB", "gpu.memory is 8 GiB, needs at least 16 GiB"),
        ("memory >= 16GiB", "memory is 15.4 GiB, needs at least 16 GiB"),
        ("memory == 16623108095B", "memory is 16623108096 B, needs exactly 16623108095 B"),
        ("!(cpu.cores < 9)", "cpu.cores is 8, needs at least 9"),
        ("os != \"linux\"", "os is \"linux\", needs another than \"linux\""),
        ("!(os != \"macos\")", "os is \"linux\", needs \"macos\""),
        ("\"browser\" in skills", "skills is \"shell\", needs \"browser\" among them"),
        ("\"python3\" in runtimes", "runtimes is empty, needs \"python3\" among them"),
        ("label.none == \"x\"", "label.none is not set, needs \"x\""),
        ("label.none", "label.none is not set, needs it to be set"),
        ("!label.role", "label.role is \"a\", needs it not to be set"),
        ("label.role in [\"b\", \"c\"]", "label.role is \"a\", needs one of \"b\", \"c\""),
        ("kernel == \"6\"", "kernel is not known, since the node did not say; needs \"6\""),
        (
            "os == \"macos\" || cpu.cores > 8 && label.none",
            "os is \"linux\", needs \"macos\"; or cpu.cores is 8, needs more than 8 and label.none \
             is not set, needs it to be set",
        ),
    ] {
        assert_eq!(reasons(text), [reason], "{text}");
    }
    assert_eq!(reasons("cpu.cores > 8 && os == \"linux\" && label.none").len(), 2);
}

#[test]
fn what_is_not_known_fits_neither_way() {
    let labels = owners();
    let silent = Facts { labels: &labels, capabilities: None };
    for text in ["os == \"linux\"", "\"shell\" in skills", "gpu.count < 1", "label.rack"] {
        for text in [text.to_owned(), format!("!({text})")] {
            let requirement: Requirement = text.parse().unwrap();
            assert!(!requirement.fits(&silent), "{text}");
            assert!(matches!(requirement.unmet(&silent)[..], [Reason::Unknown { .. }]), "{text}");
        }
    }
    let own: Requirement = "label.role == \"a\" || os == \"linux\"".parse().unwrap();
    assert!(own.fits(&silent));
    let bare = Capabilities::default();
    let facts = Facts { labels: &labels, capabilities: Some(&bare) };
    let none: Requirement = "gpu.memory == 0B && gpu.count == 0 && !label.rack".parse().unwrap();
    assert!(none.fits(&facts));
    let memory: Requirement = "memory >= 0B || disk.free >= 0B || cpu.cores < 9".parse().unwrap();
    assert!(!memory.fits(&facts));
}

#[test]
fn a_fault_names_its_column_and_what_would_fit() {
    for (text, column, code, message, hint) in [
        ("", 1, "syntax", "expected a field, a text, ! or (, found the end", ""),
        ("os = \"linux\"", 4, "syntax", "'=' means nothing here", "compare with =="),
        (
            "gpu.memry >= 1GiB",
            1,
            "field",
            "there is no field \"gpu.memry\"",
            "did you mean gpu.memory?",
        ),
        ("os == linux", 7, "syntax", "expected a text in quotes, found \"linux\"", ""),
        (
            "os == \"Linux\"",
            7,
            "value",
            "no node says that os is \"Linux\"",
            "did you mean \"linux\"?",
        ),
        (
            "arch == \"amd64\"",
            9,
            "value",
            "no node says that arch is \"amd64\"",
            "did you mean \"x86_64\"?",
        ),
        (
            "os >= \"linux\"",
            4,
            "type",
            "os is a text",
            "write os == \"…\", or os in [\"…\", \"…\"]",
        ),
        ("os", 3, "type", "os is a text", "write os == \"…\", or os in [\"…\", \"…\"]"),
        ("skills == \"a\"", 8, "type", "skills is a set of texts", "write \"…\" in skills"),
        ("\"a\" in os", 8, "type", "os is a text", "write os == \"…\", or os in [\"…\", \"…\"]"),
        ("\"a\" in labels", 8, "field", "there is no field \"labels\"", "did you mean label.KEY?"),
        ("cpu.cores >= \"4\"", 14, "type", "cpu.cores is a number", "write cpu.cores >= 4"),
        ("cpu.cores in [\"4\"]", 11, "type", "cpu.cores is a number", "write cpu.cores >= 4"),
        (
            "cpu.cores >= 4GiB",
            14,
            "unit",
            "cpu.cores is a plain number, without the unit \"GiB\"",
            "leave the unit out",
        ),
        (
            "memory >= 16",
            11,
            "unit",
            "the amount needs a unit, since memory is counted in bytes",
            "the units are B, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
        ),
        ("memory >= 16Gi", 11, "unit", "\"Gi\" is no unit", "did you mean GiB?"),
        (
            "memory >= 1.5GiB",
            11,
            "unit",
            "numbers are whole",
            "use a smaller unit, e.g. 1536MiB for 1.5 GiB",
        ),
        ("memory >= 99999999TiB", 11, "unit", "the number is too large", ""),
        ("label.rôle == \"a\"", 8, "syntax", "'ô' means nothing here", ""),
        (
            "label.role == \"a b\"",
            15,
            "value",
            "value \"a b\" of label \"role\" must be empty, or at most 63 characters of A-Z a-z 0-9 - _ . that begin and end with a letter or digit",
            "",
        ),
        ("os == \"linux", 7, "syntax", "the text that begins here has no closing \"", ""),
        (
            "os == \"a\\n\"",
            9,
            "syntax",
            "a backslash stands only before a quote or another backslash",
            "",
        ),
        (
            "kernel == \"ä\" and os",
            15,
            "syntax",
            "expected &&, || or the end, found \"and\"",
            "write &&",
        ),
        (
            "!os == \"linux\"",
            2,
            "syntax",
            "a condition that is negated needs parentheses",
            "write !(…)",
        ),
        ("(os == \"linux\"", 15, "syntax", "expected &&, || or ), found the end", ""),
        ("label.a in []", 13, "syntax", "expected a text in quotes, found ]", ""),
        ("label.a in [\"b\" \"c\"]", 17, "syntax", "expected , or ], found the text \"c\"", ""),
    ] {
        let (hint, code) =
            ((!hint.is_empty()).then(|| hint.to_owned()), format!("requirement_{code}"));
        let found = fault(text);
        assert_eq!(
            (found.0, found.1, found.2.as_str(), found.3),
            (column, code.as_str(), message, hint),
            "{text}"
        );
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let nested = |depth: usize| format!("{}label.a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(nested(MAX_DEPTH).parse::<Requirement>().unwrap().as_str(), "label.a");
    assert_eq!(fault(&nested(MAX_DEPTH + 1)).1, "requirement_limit");
    assert_eq!(fault(&format!("{}label.a", "!".repeat(MAX_DEPTH + 1))).0, MAX_DEPTH + 1);
    assert_eq!(fault(&"(!".repeat(1000)).1, "requirement_limit");
    let many = |count: usize| vec!["label.a"; count].join("||");
    assert!(many(MAX_CONDITIONS).parse::<Requirement>().is_ok());
    assert_eq!(fault(&many(MAX_CONDITIONS + 1)).1, "requirement_limit");
    let spaced = |blanks: usize| format!("label.a{}", " ".repeat(blanks));
    assert!(spaced(MAX_REQUIREMENT_BYTES - 7).parse::<Requirement>().is_ok());
    assert_eq!(fault(&spaced(MAX_REQUIREMENT_BYTES - 6)).1, "requirement_limit");
    // It would be too long as it prints, and could not be read back.
    let list = format!("label.a in [{}]", vec!["''"; 600].join(","));
    assert!(list.len() < MAX_REQUIREMENT_BYTES);
    assert_eq!(fault(&list).1, "requirement_limit");
}

#[test]
fn a_reason_names_the_condition_as_it_is_written() {
    let labels = BTreeMap::new();
    let bare = Capabilities { cores: 2, ..Capabilities::default() };
    let facts = Facts { labels: &labels, capabilities: Some(&bare) };
    let requirement: Requirement = "label.ok!='x' && !(cpu.cores<4)".parse().unwrap();
    let [Reason::Unmet { field, condition, .. }] = &requirement.unmet(&facts)[..] else {
        panic!("another reason");
    };
    assert_eq!((field.as_str(), condition.as_str()), ("cpu.cores", "cpu.cores < 4"));
}

#[test]
fn it_prints_in_one_way_and_is_known_by_that() {
    let printed = |text: &str| text.parse::<Requirement>().unwrap().to_string();
    for (typed, expected) in [
        ("os=='linux'", "os == \"linux\""),
        ("label.a&&(label.b&&label.c)", "label.a && label.b && label.c"),
        ("(label.a||label.b)&&label.c", "(label.a || label.b) && label.c"),
        ("(label.a&&label.b)||label.c", "label.a && label.b || label.c"),
        ("!((!(label.a)))", "!!label.a"),
        ("!(memory<2048 MiB)", "!(memory < 2GiB)"),
        ("kernel == 'a\"\\\\'", "kernel == \"a\\\"\\\\\""),
        ("label.a in ['x','y']", "label.a in [\"x\", \"y\"]"),
    ] {
        assert_eq!(printed(typed), expected);
        assert_eq!(typed.parse::<Requirement>(), expected.parse::<Requirement>());
    }
    let json = serde_json::to_string(&"os=='linux'".parse::<Requirement>().unwrap()).unwrap();
    assert_eq!(json, "\"os == \\\"linux\\\"\"");
    assert_eq!(serde_json::from_str::<Requirement>(&json).unwrap().as_str(), "os == \"linux\"");
    assert!(serde_json::from_str::<Requirement>("\"os =\"").is_err());
}

#[test]
fn a_fault_is_an_error_with_kind_code_and_hint() {
    let error = crate::Error::from("gpu.memry > 1GB".parse::<Requirement>().unwrap_err());
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "requirement_field"));
    assert_eq!(error.message(), "column 1: there is no field \"gpu.memry\"");
    assert_eq!(error.hint(), Some("did you mean gpu.memory?"));
}
