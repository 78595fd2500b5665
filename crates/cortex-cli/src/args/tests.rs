//! Tests of what can be typed.

use std::time::Duration;

use clap::CommandFactory as _;
use clap::Parser as _;
use clap::error::ErrorKind;

use super::*;
use crate::args::exec::ExecArgs;
use crate::args::hub::HubCommand;
use crate::args::task::TaskCommand;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(words(line))
}

/// Splits at blanks; a part in single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(ToOwned::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn exec(line: &str) -> ExecArgs {
    match parse(line).unwrap().command {
        Command::Exec(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_trees_are_sound() {
    Cli::command().debug_assert();
    NodeCli::command().debug_assert();
}

#[test]
fn exec_takes_nodes_then_the_program_as_it_is() {
    let args =
        exec("cortex-cli exec a b --timeout 10m --env K=a=b --cwd /x -- ls -la --timeout 1 --");
    assert_eq!(args.nodes, ["a", "b"]);
    assert_eq!(args.argv, ["ls", "-la", "--timeout", "1", "--"]);
    assert_eq!(args.timeout, Some(Duration::from_secs(600)));
    assert_eq!((args.env[0].key.as_str(), args.env[0].value.as_str()), ("K", "a=b"));
    assert_eq!(args.session, "default");
    let args = exec("cortex-cli exec local --detach -o json -- sh -c 'exit 7'");
    assert!(args.detach);
    assert_eq!(args.argv, ["sh", "-c", "exit 7"]);
}

#[test]
fn exec_needs_a_node_and_a_program() {
    for line in [
        "cortex-cli exec",
        "cortex-cli exec a",
        "cortex-cli exec -- ls",
        "cortex-cli exec a ls -la",
        "cortex-cli exec a --any -- ls",
        "cortex-cli exec --require label.x --any -- ls",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn a_rotation_has_its_ring_and_its_force_where_it_counts() {
    for line in ["rotate ca --wait", "rotate signing --force --patience 5s", "activate ca --force"]
    {
        parse(&format!("cortex-cli trust {line}")).unwrap();
    }
    for line in ["rotate", "rotate keys", "taint ca --force", "prepare signing --force"] {
        let error = parse(&format!("cortex-cli trust {line}")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn global_options_stand_anywhere() {
    for line in [
        "cortex-cli -o json --hub http://h node list",
        "cortex-cli node -o json list --hub http://h",
        "cortex-cli node list --output json --hub http://h",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(cli.globals.output, Format::Json, "{line}");
        assert_eq!(cli.globals.hub.as_deref(), Some("http://h"), "{line}");
    }
    assert_eq!(parse("cortex-cli -vv version").unwrap().globals.verbose, 2);
}

#[test]
fn names_that_scripts_use_stay() {
    for line in [
        "cortex-cli hub serve --dev --data-dir d --http 127.0.0.1:0 --grpc [::1]:0 --config hub.yaml",
        "cortex-cli hub serve --node-tls mutual --tls-cert c.pem --tls-key k.pem",
        "cortex-cli hub status",
        "cortex-cli node run --config node.yaml --data-dir d",
        "cortex-cli node list -l a=b -l c=d --status online",
        "cortex-cli node show a",
        "cortex-cli node label a b=c d-",
        "cortex-cli node cordon a",
        "cortex-cli node uncordon a",
        "cortex-cli node lock a",
        "cortex-cli node unlock a",
        "cortex-cli node remove a -y",
        "cortex-cli node share a ada --manage",
        "cortex-cli node unshare a ada",
        "cortex-cli node shares a",
        "cortex-cli invite create --name n --label a=b --label c=d --expires 30m --out node.yaml",
        "cortex-cli invite list",
        "cortex-cli invite revoke inv_1",
        "cortex-cli session create --name n --node a",
        "cortex-cli session list",
        "cortex-cli session show default",
        "cortex-cli session attach ses_1 a b",
        "cortex-cli session detach ses_1 a b",
        "cortex-cli session close ses_1",
        "cortex-cli exec a --session ses_1 --line --stdin --queue -- echo",
        "cortex-cli shell a --session ses_1 -e K=v --cwd /x -- top",
        "cortex-cli attach tsk_1 --read-only",
        "cortex-cli exec --require 'os == \"linux\"' -- ls",
        "cortex-cli exec --any -- ls",
        "cortex-cli exec --any --priority 200 --deadline 10m --attempts 3 -- ls",
        "cortex-cli node drain a --timeout 10m",
        "cortex-cli node pause a",
        "cortex-cli node resume a",
        "cortex-cli exec --first-of a,b --require 'label.x' -- ls",
        "cortex-cli explain",
        "cortex-cli explain a --skill browser --session s",
        "cortex-cli explain --first-of a,b --any",
        "cortex-cli task list --session s --node n --open --limit 5",
        "cortex-cli task show tsk_1",
        "cortex-cli task logs tsk_1 -f --since 1-2",
        "cortex-cli task wait tsk_1",
        "cortex-cli task cancel tsk_1 --reason why",
        "cortex-cli events -f --session s",
        "cortex-cli user add ada --role admin --no-password",
        "cortex-cli user list",
        "cortex-cli user disable ada",
        "cortex-cli user enable ada",
        "cortex-cli user passwd ada --password-stdin",
        "cortex-cli token create --scope read,exec",
        "cortex-cli token list",
        "cortex-cli token revoke tok_1",
        "cortex-cli login http://h --user ada",
        "cortex-cli login http://h --code-stdin",
        "cortex-cli login list",
        "cortex-cli login revoke tok_1",
        "cortex-cli login revoke --all",
        "cortex-cli logout",
        "cortex-cli whoami",
        "cortex-cli context list",
        "cortex-cli context use dev",
        "cortex-cli config show --origin",
        "cortex-cli config check node.yaml",
        "cortex-cli doctor --config node.yaml",
        "cortex-cli completion bash",
        "cortex-cli man dir",
        "cortex-cli version",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
    for line in [
        "cortex-node run --config node.yaml --data-dir d",
        "cortex-node config show --origin",
        "cortex-node check node.yaml",
        "cortex-node version",
    ] {
        if let Err(error) = NodeCli::try_parse_from(words(line)) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn login_takes_a_hub_or_a_command() {
    let Command::Login(group) = parse("cortex-cli login http://h --user ada").unwrap().command
    else {
        panic!("another command");
    };
    assert!(group.command.is_none());
    assert_eq!(group.start.url.as_deref(), Some("http://h"));
    let Command::Login(group) = parse("cortex-cli login list").unwrap().command else {
        panic!("another command");
    };
    assert!(group.command.is_some() && group.start.url.is_none());
}

#[test]
fn wrong_values_are_usage_errors() {
    for line in [
        "cortex-cli",
        "cortex-cli nod list",
        "cortex-cli hub serve --http 8080",
        "cortex-cli node label a",
        "cortex-cli node label a word",
        "cortex-cli invite create",
        "cortex-cli invite create --name n --expires 30",
        "cortex-cli task logs tsk_1 --since 5",
        "cortex-cli task list --limit 0",
        "cortex-cli token create --scope all",
        "cortex-cli login",
        "cortex-cli login revoke",
        "cortex-cli login revoke tok_1 --all",
        "cortex-cli -o xml version",
        "cortex-cli user add ada --no-password --password-stdin",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn defaults_are_those_of_the_help() {
    let Command::Hub(HubCommand::Serve(args)) = parse("cortex-cli hub serve").unwrap().command
    else {
        panic!("another command");
    };
    assert!(!args.dev && args.http.is_none() && args.grpc.is_none() && args.data_dir.is_none());
    let Command::Task(TaskCommand::Logs(args)) = parse("cortex-cli task logs t").unwrap().command
    else {
        panic!("another command");
    };
    assert_eq!(args.since.to_string(), "0-0");
}

/// Every example in a help text must be a command that can be typed.
#[test]
fn examples_can_be_typed() {
    let mut seen = 0;
    let mut tree = Cli::command();
    tree.build();
    check_examples(&tree, &mut seen);
    let mut tree = NodeCli::command();
    tree.build();
    check_examples(&tree, &mut seen);
    assert!(seen > 30, "{seen}");
}

fn check_examples(command: &clap::Command, seen: &mut usize) {
    let text = command.get_before_help().map(ToString::to_string).unwrap_or_default();
    for line in text.lines().map(str::trim) {
        let Some(start) = line.find("cortex-") else { continue };
        let whole = &line[start..];
        // What stands behind two blanks explains; what stands behind < or > is the shell's.
        let typed = whole.split("  ").next().unwrap_or(whole);
        let typed = typed.split([' ']).take_while(|word| !matches!(*word, "<" | ">"));
        let typed: Vec<&str> = typed.collect();
        let error = match typed[0] {
            "cortex-node" => NodeCli::try_parse_from(&typed).err(),
            _ => Cli::try_parse_from(&typed).err(),
        };
        if let Some(error) = error {
            panic!("{typed:?}: {error}");
        }
        *seen += 1;
    }
    for inner in command.get_subcommands() {
        check_examples(inner, seen);
    }
}

#[test]
fn help_begins_with_examples_and_ends_with_success() {
    let error = parse("cortex-cli exec --help").unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::DisplayHelp, 0));
    let text = error.to_string();
    let (examples, usage) = (text.find("Examples:").unwrap(), text.find("Usage:").unwrap());
    assert!(examples < usage, "{text}");
    assert!(text.contains("Ctrl-C"), "{text}");
}
