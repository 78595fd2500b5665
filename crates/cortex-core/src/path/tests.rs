//! Tests of the path rules.

use std::path::Component;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn refusal(text: &str) -> PathError {
    RelPath::new(text).expect_err(text)
}

#[test]
fn ordinary_names_are_taken() {
    for text in [
        "a",
        "src/main.rs",
        ".git/HEAD",
        "..a",
        "a..b/c",
        " leading",
        "naïve/日本語.txt",
        "com10",
        "com",
        "lpt",
        "console",
        "nuls.txt",
        "auxiliary",
        "x.nul",
        "com⁴",
        "-rf",
        "~",
        "*?<>|\"",
    ] {
        assert_eq!(RelPath::new(text).expect(text).as_str(), text);
    }
}

#[test]
fn each_rule_is_named_by_its_refusal() {
    assert_eq!(refusal(""), PathError::Empty);
    assert_eq!(refusal("/"), PathError::Absolute);
    assert_eq!(refusal("/etc/passwd"), PathError::Absolute);
    for text in ["a//b", "a/", "a/b//"] {
        assert_eq!(refusal(text), PathError::EmptyComponent, "{text}");
    }
    for text in ["..", "../a", "a/..", "a/../b"] {
        assert_eq!(refusal(text), PathError::Dots { component: ".." }, "{text}");
    }
    for text in [".", "./a", "a/."] {
        assert_eq!(refusal(text), PathError::Dots { component: "." }, "{text}");
    }
    for character in ['\\', ':', '\0', '\r', '\n', '\t', '\u{1b}', '\u{7f}', '\u{85}'] {
        let text = format!("a/b{character}c");
        assert_eq!(refusal(&text), PathError::Character { character }, "{text:?}");
    }
    for text in ["a.", "a ", "a./b", "a /b", "...", "a. "] {
        assert!(matches!(refusal(text), PathError::Trailing { .. }), "{text:?}");
    }
}

#[test]
fn windows_devices_are_refused_in_any_case_and_with_any_extension() {
    for text in [
        "CON",
        "prn",
        "Aux",
        "NUL",
        "nul.txt",
        "nul .txt",
        "nul.tar.gz",
        "COM1",
        "com0",
        "lpt9.log",
        "COM¹",
        "com²",
        "LPT³.txt",
        "CONIN$",
        "conout$",
        "a/b/aux.c",
        "nul/child",
    ] {
        assert!(matches!(refusal(text), PathError::Device { .. }), "{text:?}");
    }
}

#[test]
fn length_is_counted_in_bytes() {
    let longest_name = format!("{}x", "é".repeat(127));
    assert!(RelPath::new(longest_name.as_str()).is_ok());
    let refused = PathError::ComponentTooLong { length: 256 };
    assert_eq!(refusal(&"é".repeat(128)), refused);

    let longest = format!("{}{}", "abcd/".repeat(818), "abcdef");
    assert_eq!(longest.len(), RelPath::MAX_LEN);
    assert!(RelPath::new(longest.as_str()).is_ok());
    assert_eq!(refusal(&format!("{longest}g")), PathError::TooLong { length: 4097 });
}

#[test]
fn a_message_shows_no_raw_control_character() {
    let message = refusal("a\u{1b}[31m").to_string();
    assert_eq!(message, "path has the character '\\u{1b}'");
}

#[test]
fn below_means_a_whole_component() {
    let path = |text: &str| RelPath::new(text).unwrap();
    assert!(path("a/b").is_below(&path("a")));
    assert!(path("a/b/c").is_below(&path("a")));
    assert!(!path("ab").is_below(&path("a")));
    assert!(!path("a").is_below(&path("a")));
    assert!(!path("a").is_below(&path("a/b")));
}

#[test]
fn serde_checks_what_it_reads() {
    assert!(serde_json::from_str::<RelPath>("\"a/b\"").is_ok());
    let error = serde_json::from_str::<RelPath>("\"a/../b\"").unwrap_err();
    assert!(error.to_string().contains("component \"..\""), "{error}");
}

proptest! {
    #[test]
    fn what_is_taken_stays_below_the_root(text in "[ab.:/\\\\ \\x00-\\x1f]{0,12}|\\PC{0,40}") {
        let Ok(path) = RelPath::new(text.as_str()) else { return Ok(()) };
        prop_assert_eq!(path.as_str(), &text);
        let components: Vec<_> = Path::new(&text).components().collect();
        prop_assert!(components.iter().all(|part| matches!(part, Component::Normal(_))));
        prop_assert_eq!(components.len(), path.components().count());
        prop_assert!(!text.contains(['\\', ':', '\0', '\r', '\n']));
    }

    #[test]
    fn join_and_parent_are_inverse(parts in prop::collection::vec("[a-z]{5,9}", 1..8)) {
        let path = RelPath::new(parts.join("/")).unwrap();
        prop_assert!(path.components().eq(&parts));
        prop_assert_eq!(path.name(), parts.last().unwrap());
        match path.parent() {
            Some(parent) => {
                prop_assert_eq!(&parent.join(path.name()).unwrap(), &path);
                prop_assert!(path.is_below(&parent));
            }
            None => prop_assert_eq!(parts.len(), 1),
        }
        let json = serde_json::to_string(&path).unwrap();
        prop_assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), path);
    }
}
