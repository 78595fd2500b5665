//! `completion`, `man` and `version`.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use serde_json::json;

use crate::args::setup::CompletionArgs;
use crate::args::setup::ManArgs;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::program;
use crate::program::Program;

/// Prints a completion script.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completion(program: &Program, args: &CompletionArgs) -> Result<Exit> {
    let script = script(args.shell);
    let document = json!({ "shell": args.shell.to_string(), "script": script });
    program.output.document_or(&document, &script)?;
    Ok(Exit::OK)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program::tree(), "cortex-cli", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes a manual page for each command.
///
/// # Errors
/// The directory or a file cannot be written.
pub(crate) fn man(program: &Program, args: &ManArgs) -> Result<Exit> {
    std::fs::create_dir_all(&args.dir).map_err(|error| Failure::file("make", &args.dir, &error))?;
    let mut files = Vec::new();
    let mut tree = program::tree();
    tree.build();
    write_pages(&tree, "cortex-cli", &args.dir, &mut files)?;
    let list: String = files.iter().map(|file| format!("{file}\n")).collect();
    program.output.document_or(&json!({ "files": files }), list)?;
    Ok(Exit::OK)
}

fn write_pages(command: &Command, name: &str, dir: &Path, files: &mut Vec<String>) -> Result<()> {
    let page = clap_mangen::Man::new(command.clone()).title(name.to_uppercase());
    let mut text = Vec::new();
    let path = dir.join(format!("{name}.1"));
    page.render(&mut text)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| Failure::file("write", &path, &error))?;
    files.push(path.display().to_string());
    for inner in command.get_subcommands() {
        write_pages(inner, &format!("{name}-{}", inner.get_name()), dir, files)?;
    }
    Ok(())
}

/// Prints the version.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn version(program: &Program, name: &str) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    match program.output.is_json() {
        true => {
            let os = std::env::consts::OS;
            let arch = std::env::consts::ARCH;
            let document = json!({ "name": name, "version": version, "os": os, "arch": arch });
            program.output.document(&document)?;
        }
        false => output::write_stdout(format!("{name} {version}\n").as_bytes())?,
    }
    Ok(Exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_with_all_groups() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let script = script(shell);
            for word in ["cortex-cli", "invite", "cordon", "whoami"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn every_command_gets_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = program::tree();
        tree.build();
        let mut files = Vec::new();
        write_pages(&tree, "cortex-cli", folder.path(), &mut files).unwrap();
        for name in
            ["cortex-cli", "cortex-cli-exec", "cortex-cli-hub-serve", "cortex-cli-task-logs"]
        {
            let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".TH"), "{name}: {page}");
        }
        assert!(files.len() > 40, "{}", files.len());
    }
}
