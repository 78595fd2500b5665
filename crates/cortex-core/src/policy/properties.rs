//! Properties of policies that hold for every policy and every invocation.

use proptest::prelude::*;

use super::*;

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let program = prop_oneof!["[ab*]", "/bin/[ab*]", "/[ab]/[ab]"]
        .prop_filter("two stars", |program| !program.contains("**"));
    let args = proptest::collection::vec(prop_oneof!["[xy*]{1,2}", "\\PC{0,3}"], 0..3);
    let rule =
        (program, args, any::<bool>(), any::<bool>()).prop_map(|(program, args, exact, shell)| {
            let mut rule = Rule::new(program).unwrap().with_args(args).unwrap();
            (rule.exact, rule.shell) = (exact, shell);
            rule
        });
    proptest::collection::vec(rule, 0..4)
}

fn policies() -> impl Strategy<Value = SandboxPolicy> {
    let mode = prop_oneof![Just(Mode::Strict), Just(Mode::Permissive)];
    let root = proptest::option::of("/[ab](/[ab])?");
    (mode, rules(), rules(), root).prop_map(|(mode, allow, deny, workspace_root)| SandboxPolicy {
        mode,
        allow,
        deny,
        workspace_root,
    })
}

fn argvs() -> impl Strategy<Value = Vec<String>> {
    let program = prop_oneof!["[abAB]", "(/bin|/[ab]|\\.|\\.\\./bin)/[ab]", "\\PC{0,4}", ".{0,3}"];
    let args = proptest::collection::vec(prop_oneof!["[xy]{0,2}", "\\PC{0,3}", ".{0,2}"], 0..4);
    (program, args).prop_map(|(program, args)| std::iter::once(program).chain(args).collect())
}

proptest! {
    #[test]
    fn judging_never_panics(
        policy in policies(),
        argv in proptest::collection::vec(".{0,4}", 0..4),
        resolved in proptest::option::of(".{0,6}"),
        real in proptest::option::of(".{0,6}"),
    ) {
        let mut invocations = vec![Invocation::argv(&argv)];
        if let [shell, line, ..] = argv.as_slice() {
            invocations.push(Invocation::line(shell, line));
        }
        for mut invocation in invocations {
            if let Some(path) = &resolved { invocation = invocation.resolved(path); }
            if let Some(path) = &real { invocation = invocation.real(path); }
            if let Verdict::Refused { rule, reason } = policy.judge(&invocation) {
                prop_assert!(!rule.is_empty() && !reason.is_empty());
            }
        }
        for text in &argv {
            let _ = policy.judge_cwd(text);
        }
    }

    #[test]
    fn deny_wins_whatever_else_is_written(policy in policies(), directory in "(|/bin/|\\./|/[ab]/)") {
        for rule in policy.deny.iter().filter(|rule| rule.args.is_empty() && !rule.exact) {
            // A bare pattern denies its own name, with a letter for the star, in any directory.
            if rule.program.starts_with('/') { continue; }
            let argv = vec![format!("{directory}{}", rule.program.replace('*', "z")), "more".to_owned()];
            let verdict = policy.judge(&Invocation::argv(&argv));
            let by_deny = matches!(&verdict, Verdict::Refused { rule, .. } if rule.starts_with("deny["));
            prop_assert!(by_deny, "{verdict:?}");
        }
    }

    #[test]
    fn a_deny_rule_only_takes_away(policy in policies(), more in rules(), argv in argvs()) {
        let mut stricter = policy.clone();
        stricter.deny.extend(more);
        let invocation = Invocation::argv(&argv);
        prop_assert!(!stricter.judge(&invocation).is_allowed() || policy.judge(&invocation).is_allowed());
    }

    #[test]
    fn narrowing_allows_what_both_allow(
        hub in policies(), node in policies(), argv in argvs(), cwd in "(/[ab.]{0,2}){0,3}",
    ) {
        let both = hub.narrow(&node);
        let mut invocations = vec![Invocation::argv(&argv)];
        if let [shell, line, ..] = argv.as_slice() {
            invocations.push(Invocation::line(shell, line));
        }
        for invocation in &invocations {
            let each = hub.judge(invocation).is_allowed() && node.judge(invocation).is_allowed();
            prop_assert_eq!(both.judge(invocation).is_allowed(), each);
        }
        let each = hub.judge_cwd(&cwd).is_allowed() && node.judge_cwd(&cwd).is_allowed();
        prop_assert_eq!(both.judge_cwd(&cwd).is_allowed(), each);
    }

    #[test]
    fn canonical_bytes_read_back(mut policy in policies()) {
        policy.deny.iter_mut().for_each(|rule| rule.shell = false);
        policy.allow.iter_mut().for_each(|rule| rule.shell &= rule.args.is_empty() && !rule.exact);
        let read: SandboxPolicy = serde_json::from_slice(&policy.to_canonical_json()).unwrap();
        prop_assert_eq!(&read, &policy);
        let yaml = serde_yaml::to_string(&policy).unwrap();
        prop_assert_eq!(serde_yaml::from_str::<SandboxPolicy>(&yaml).unwrap(), policy, "{}", yaml);
    }
}
