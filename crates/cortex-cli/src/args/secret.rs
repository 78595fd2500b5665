//! Secrets for a task: named where they are typed, read from elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use cortex_core::ErrorKind;
use cortex_proto::json::Secret;
use zeroize::Zeroizing;

use crate::args::value;
use crate::args::value::Pair;
use crate::exit::Failure;
use crate::exit::Result;

/// Which secrets a task gets. Their values are never typed: other users see all arguments.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SecretArgs {
    /// Give the task this variable of the environment here, and keep its value secret: it is
    /// replaced in all that the task puts out. May be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,
    /// The same with the content of a file, without the line's end at its end. May be repeated.
    #[arg(long, value_name = "NAME=PATH", value_parser = value::pair)]
    pub(crate) secret_file: Vec<Pair>,
}

impl SecretArgs {
    /// Reads them.
    ///
    /// # Errors
    /// A variable is not set or no text; a file cannot be read; one is named twice.
    pub(crate) fn read(&self) -> Result<BTreeMap<String, Secret>> {
        let mut secrets = BTreeMap::new();
        for name in &self.secret {
            let value = std::env::var(name).map_err(|_| {
                Failure::usage(format!("the variable {name} is not set here, or no text"))
                    .or_hint(format!("export {name}, or: --secret-file {name}=PATH"))
            })?;
            take(&mut secrets, name, value)?;
        }
        for Pair { key: name, value: path } in &self.secret_file {
            let path = PathBuf::from(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Failure::file("read", &path, &error))?;
            let text = Zeroizing::new(text);
            let value = text.strip_suffix('\n').unwrap_or(&text);
            take(&mut secrets, name, value.strip_suffix('\r').unwrap_or(value).to_owned())?;
        }
        Ok(secrets)
    }
}

fn take(secrets: &mut BTreeMap<String, Secret>, name: &str, value: String) -> Result<()> {
    match secrets.insert(name.to_owned(), Secret::from(value)) {
        None => Ok(()),
        Some(_) => {
            let message = format!("the secret {name} is named twice");
            Err(Failure::new(ErrorKind::Invalid, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_content_without_the_last_lines_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Pair { key: name.to_owned(), value: path.display().to_string() }
        };
        let secret_file = vec![file("A", "hunter2\n"), file("B", "two\nlines\r\n")];
        let args = SecretArgs { secret: Vec::new(), secret_file };
        let read = args.read().unwrap();
        assert_eq!(read["A"].expose(), "hunter2");
        assert_eq!(read["B"].expose(), "two\nlines");
        let missing = Pair { key: "C".into(), value: "/nowhere".into() };
        let args = SecretArgs { secret: Vec::new(), secret_file: vec![missing] };
        assert!(args.read().is_err());
        let twice = SecretArgs { secret: Vec::new(), secret_file: vec![file("A", "aaaa"); 2] };
        assert!(twice.read().is_err());
        let unset = SecretArgs { secret: vec!["NO_SUCH_VARIABLE".into()], ..SecretArgs::default() };
        assert!(unset.read().is_err());
    }
}
