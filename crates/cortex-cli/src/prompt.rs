//! Questions to the user, on a terminal only.

use std::io;
use std::io::IsTerminal as _;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;

use rustix::termios;
use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::Termios;

use crate::args::account::PasswordArgs;
use crate::context::Secret;
use crate::exit::Failure;
use crate::exit::Result;
use crate::program::Program;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 4_096;

/// Asks for a line of text.
///
/// # Errors
/// Nobody can be asked; `flag` is what to give instead.
pub(crate) fn ask(program: &Program, question: &str, flag: &str) -> Result<String> {
    may_ask(program, question, flag)?;
    show(question);
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|error| no_answer(&error))?;
    Ok(line.trim().to_owned())
}

/// Takes yes or no.
///
/// # Errors
/// Nobody can be asked, and `--yes` was not given; or the answer is no.
pub(crate) fn confirm(program: &Program, question: &str) -> Result<()> {
    if program.globals.yes {
        return Ok(());
    }
    let answer = ask(program, &format!("{question} [y/N]"), "--yes")?;
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::interrupted("nothing was changed")),
    }
}

/// Gets a password: from a file, from standard input, or from the user without showing it.
///
/// # Errors
/// Nobody can be asked; the file cannot be read; the two answers differ where `twice` is set.
pub(crate) fn password(
    program: &Program,
    args: &PasswordArgs,
    question: &str,
    twice: bool,
) -> Result<Secret> {
    if let Some(file) = &args.password_file {
        let text =
            std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
        return first_line(&Secret::from(text), file);
    }
    if args.password_stdin {
        return secret_from_stdin();
    }
    may_ask(program, question, "--password-file or --password-stdin")?;
    let first = hidden(question)?;
    if twice && first != hidden("Once more:")? {
        return Err(Failure::usage("the two passwords differ"));
    }
    Ok(first)
}

/// Reads the first line of standard input.
///
/// # Errors
/// There is none.
pub(crate) fn secret_from_stdin() -> Result<Secret> {
    let mut text = String::with_capacity(MAX_LINE_BYTES);
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let read = io::stdin().take(limit).read_to_string(&mut text);
    let text = Secret::from(text);
    read.map_err(|error| no_answer(&error))?;
    first_line(&text, Path::new("standard input"))
}

fn first_line(text: &Secret, origin: &Path) -> Result<Secret> {
    match text.expose().lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::from(line)),
        _ => Err(Failure::usage(format!("{} holds no secret", origin.display()))),
    }
}

fn may_ask(program: &Program, question: &str, flag: &str) -> Result<()> {
    if program.may_ask() && io::stdin().is_terminal() {
        return Ok(());
    }
    let question = question.trim_end_matches(':');
    Err(Failure::usage(format!("nobody can be asked: {question}"))
        .with_code("no_input")
        .or_hint(format!("give {flag}")))
}

fn show(question: &str) {
    let mut stderr = io::stderr().lock();
    // A question that cannot be shown is answered blindly or not at all; both end here.
    let _ = write!(stderr, "{question} ").and_then(|()| stderr.flush());
}

fn no_answer(error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read the answer: {error}"))
}

/// Shows typed letters again when it is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        // Without ISIG, Ctrl-C arrives as a byte: the terminal is put right before the end.
        hidden.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing else can be tried.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        let _ = writeln!(io::stderr());
    }
}

fn hidden(question: &str) -> Result<Secret> {
    show(question);
    let _hidden = Hidden::begin().map_err(|error| no_answer(&error))?;
    line_of_keys(io::stdin().lock().bytes()).map(Secret::from)
}

/// Reads a line that is typed key by key: backspace takes a letter away, Ctrl-C gives up.
fn line_of_keys(keys: impl Iterator<Item = io::Result<u8>>) -> Result<String> {
    // It does not grow, so that no copy of it is left behind.
    let mut line = Vec::with_capacity(MAX_LINE_BYTES);
    for key in keys {
        match key.map_err(|error| no_answer(&error))? {
            b'\n' | b'\r' | 4 => break,
            3 => return Err(Failure::interrupted("interrupted")),
            8 | 0x7f => {
                // A letter may have several bytes.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            21 => line.clear(),
            byte if line.len() < MAX_LINE_BYTES => line.push(byte),
            _ => {}
        }
    }
    String::from_utf8(line).map_err(|_| Failure::usage("the answer is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Result<String> {
        line_of_keys(keys.iter().map(|key| Ok(*key)))
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(typed(b"abc\x7fd\nrest").unwrap(), "abd");
        assert_eq!(typed("aä\x08b\r".as_bytes()).unwrap(), "ab");
        assert_eq!(typed(b"wrong\x15right\n").unwrap(), "right");
        assert_eq!(typed(b"end\x04").unwrap(), "end");
        assert_eq!(typed(b"\x7f\x7fa\n").unwrap(), "a");
    }

    #[test]
    fn ctrl_c_ends_the_program() {
        let failure = typed(b"abc\x03").unwrap_err();
        assert_eq!(failure.exit(), crate::exit::Exit::INTERRUPTED);
    }

    #[test]
    fn a_password_file_has_one_line() {
        let origin = Path::new("f");
        let line = |text: &str| first_line(&Secret::from(text), origin);
        assert_eq!(line("pass word\n").unwrap().expose(), "pass word");
        assert!(line("\n").is_err());
        assert!(line("").is_err());
    }
}
