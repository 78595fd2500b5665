//! Tests of whole policies: the order of judgement, the written forms, the layers.

use super::*;

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn read(yaml: &str) -> SandboxPolicy {
    serde_yaml::from_str(yaml).unwrap()
}

fn judge(policy: &SandboxPolicy, words: &[&str]) -> Verdict {
    policy.judge(&Invocation::argv(&argv(words)))
}

fn refusing_rule(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refused { rule, .. } => rule,
        allowed @ Verdict::Allowed { .. } => panic!("not refused: {allowed:?}"),
    }
}

const WORKSHOP: &str = r#"
mode: strict
allow:
  - git status
  - cargo
  - { program: sh, shell: true }
deny:
  - "cargo publish"
  - { program: git, args: ["**", "--force"], name: no-force, reason: "history stays" }
workspace_root: /home/ada/work
"#;

#[test]
fn strict_allows_only_what_a_rule_allows() {
    let policy = read(WORKSHOP);
    let rule = Some("allow[0] \"git status\"".to_owned());
    assert_eq!(judge(&policy, &["git", "status", "-s"]), Verdict::Allowed { rule });
    assert!(judge(&policy, &["cargo", "test", "-p", "x; rm -rf /"]).is_allowed());
    for words in [&["git"][..], &["git", "push"], &["ls"], &["./cargo"], &["git status"]] {
        assert_eq!(refusing_rule(judge(&policy, words)), "mode STRICT: no allow rule", "{words:?}");
    }
    let nothing = SandboxPolicy::default();
    assert!(!judge(&nothing, &["true"]).is_allowed());
    assert!(!nothing.judge(&Invocation::line("sh", "true")).is_allowed());
}

#[test]
fn deny_wins_and_names_its_rule() {
    let policy = read(WORKSHOP);
    let rule = refusing_rule(judge(&policy, &["/usr/bin/CARGO", "publish", "-p", "x"]));
    assert_eq!(rule, "deny[0] \"cargo publish\"");
    assert_eq!(
        judge(&policy, &["git", "status", "--force"]),
        Verdict::Refused { rule: "deny[1] \"no-force\"".into(), reason: "history stays".into() }
    );
    let error = judge(&policy, &["cargo", "publish"]).into_result("run task").unwrap_err();
    assert_eq!((error.kind(), error.code()), (crate::error::Kind::Denied, "policy_refused"));
    assert_eq!(error.message(), "refused by deny[0] \"cargo publish\": \"cargo\" is denied");
}

#[test]
fn a_command_line_needs_an_allowed_shell_in_both_modes() {
    let mut policy = SandboxPolicy::permissive();
    let line = Invocation::line("sh", "echo $HOME");
    assert!(judge(&policy, &["sh", "-c", "echo"]).is_allowed(), "an ordinary program");
    assert_eq!(refusing_rule(policy.judge(&line)), "command line: no allow rule with shell: true");

    policy.allow.push(Rule::new("sh").unwrap());
    assert!(!policy.judge(&line).is_allowed(), "allowed as a program, not as a shell");

    policy.allow.push(Rule::new("sh").unwrap().for_command_lines());
    let rule = Some("allow[1] \"sh\"".to_owned());
    assert_eq!(policy.judge(&line), Verdict::Allowed { rule });
    for shell in ["bash", "/tmp/sh", "./sh", "SH"] {
        assert!(!policy.judge(&Invocation::line(shell, "true")).is_allowed(), "{shell}");
    }
    assert!(policy.judge(&Invocation::line("/bin/sh", "true").resolved("/bin/sh")).is_allowed());

    policy.deny.push(Rule::new("sh").unwrap().with_args(["-c", "**reboot**"]).unwrap());
    assert!(policy.judge(&line).is_allowed());
    assert!(!policy.judge(&Invocation::line("sh", "x\nreboot\n")).is_allowed());
}

#[test]
fn built_in_rules_hold_in_every_mode() {
    let policy = SandboxPolicy::permissive();
    for words in [&[][..], &[""], &["/"], &["bin/"], &[".."], &["ls", "a\0b"], &["l\0s"]] {
        let rule = refusing_rule(judge(&policy, words));
        assert!(rule.starts_with("built-in rule"), "{words:?}: {rule}");
    }
    assert!(!policy.judge(&Invocation::line("sh", "a\0b")).is_allowed());
    assert!(!policy.judge_cwd("/a\0b").is_allowed());
}

#[test]
fn what_a_reason_quotes_is_escaped_and_cut() {
    let bad = format!("\u{1b}[2J{}", "x".repeat(5000));
    let Verdict::Refused { reason, .. } = judge(&SandboxPolicy::default(), &[&bad]) else {
        panic!("not refused")
    };
    assert!(reason.len() < 300 && !reason.contains('\u{1b}'), "{reason}");
}

#[test]
fn a_working_directory_stays_below_the_root() {
    let policy = read(WORKSHOP);
    for yes in ["/home/ada/work", "/home/ada/work/", "/home/ada/work/a/../b", "/home/./ada/work/x"]
    {
        assert!(policy.judge_cwd(yes).is_allowed(), "{yes}");
    }
    for no in [
        "",
        "work",
        "/",
        "/home/ada/workshop",
        "/home/ada/work/..",
        "/home/ada/work/../../eve",
        "/home/ada/work\\x",
        "/home/ada/work/a\\..\\..\\..\\etc",
        "C:\\home\\ada\\work",
    ] {
        let rule = refusing_rule(policy.judge_cwd(no));
        assert_eq!(rule, "workspace_root \"/home/ada/work\"", "{no}");
    }
    assert!(SandboxPolicy::default().judge_cwd("anywhere").is_allowed());
}

#[test]
fn unknown_keys_and_broken_rules_are_refused_where_they_stand() {
    let error = |yaml: &str| serde_yaml::from_str::<SandboxPolicy>(yaml).unwrap_err().to_string();
    for (yaml, part) in [
        ("mode: strict\nalow: []\n", "alow"),
        ("mode: lax\n", "lax"),
        ("allow:\n  - { program: git, arg: [x] }\n", "arg"),
        ("allow:\n  - { args: [x] }\n", "program"),
        ("allow:\n  - ./git\n", "bare name or an absolute path"),
        ("deny:\n  - 7\n", "a rule"),
        ("deny:\n  - { program: sh, shell: true }\n", "only for allow rules"),
        ("allow:\n  - { program: sh, shell: true, args: [-c] }\n", "a shell takes any line"),
        ("workspace_root: work\n", "workspace_root"),
        ("workspace_root: /a/../b\n", "workspace_root"),
    ] {
        let message = error(yaml);
        assert!(message.contains(part), "{yaml}: {message}");
    }
    let message = error("mode: strict\nallow:\n  - ls\n  - ./git\n");
    assert!(message.contains("line 4"), "{message}");
    let many = vec![Rule::new("a").unwrap(); MAX_RULES + 1];
    let policy = SandboxPolicy { deny: many, ..SandboxPolicy::default() };
    assert!(matches!(policy.validate(), Err(PolicyError::TooManyRules { list: "deny", .. })));
}

#[test]
fn written_policies_read_back_and_have_one_canonical_form() {
    let policy = read(WORKSHOP);
    assert_eq!(read(&serde_yaml::to_string(&policy).unwrap()), policy);
    assert_eq!(read("{}"), SandboxPolicy::default());
    assert_eq!(read("mode: PERMISSIVE"), SandboxPolicy::permissive());

    let text = read("allow: [git status]").to_canonical_json();
    let map = read("allow: [{args: [status], program: git, exact: false}]").to_canonical_json();
    assert_eq!(text, map);
    assert_eq!(
        String::from_utf8(text).unwrap(),
        r#"{"mode":"strict","allow":[{"program":"git","args":["status"],"exact":false,"shell":false,"name":null,"reason":null}],"deny":[],"workspace_root":null}"#
    );
    let same: SandboxPolicy = serde_json::from_slice(&policy.to_canonical_json()).unwrap();
    assert_eq!(same, policy);
}

#[test]
fn a_layer_names_itself_and_can_only_take_away() {
    let hub = read("allow: [git, ls, {program: sh, shell: true}]");
    let node = read("{mode: permissive, deny: [git push], workspace_root: /w}");
    let both = hub.narrow(&node);
    let verdict = |words: &[&str]| both.judge(&Invocation::argv(&argv(words)));
    let rule = Some("hub allow[1] \"ls\"".to_owned());
    assert_eq!(verdict(&["ls"]), Verdict::Allowed { rule });
    assert_eq!(refusing_rule(verdict(&["git", "push"])), "node deny[0] \"git push\"");
    assert_eq!(refusing_rule(verdict(&["rm"])), "hub mode STRICT: no allow rule");
    assert!(!both.judge(&Invocation::line("sh", "ls")).is_allowed(), "the node allows no shell");
    assert_eq!(refusing_rule(both.judge_cwd("/x")), "node workspace_root \"/w\"");

    let alone = Effective::of(hub.clone());
    assert!(alone.judge(&Invocation::line("sh", "ls")).is_allowed());
    assert!(alone.judge_cwd("/x").is_allowed());
    assert_ne!(alone.to_canonical_json(), both.to_canonical_json());
    assert_eq!(
        both.layers().map(|(origin, _)| origin).collect::<Vec<_>>(),
        [Origin::Hub, Origin::Node]
    );
    let twice = hub.narrow(&hub).judge(&Invocation::argv(&argv(&["ls"])));
    let rule = Some("hub allow[1] \"ls\" and node allow[1] \"ls\"".to_owned());
    assert_eq!(twice, Verdict::Allowed { rule });
}
