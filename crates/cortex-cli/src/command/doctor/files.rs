//! Whether files with secrets are for their owner only.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::args::Globals;
use crate::command::doctor::Finding;
use crate::context::choice::Environment;
use crate::context::choice::read_token;

/// Checks the file with the contexts, and the token file if one is named.
pub(super) fn check(globals: &Globals, environment: &Environment, out: &mut Vec<Finding>) {
    match &environment.file {
        None => out.push(Finding::bad(
            "contexts",
            "there is no place to remember hubs",
            "set HOME or XDG_CONFIG_HOME",
        )),
        Some(file) => out.push(match file.read() {
            Err(failure) => Finding::of("contexts", &failure),
            Ok(_) if !file.path().exists() => {
                Finding::good("contexts", format!("{} does not exist yet", file.path().display()))
            }
            Ok(contexts) => mode("contexts", file.path()).unwrap_or_else(|| {
                let count = contexts.contexts.len();
                Finding::good("contexts", format!("{count} in {}", file.path().display()))
            }),
        }),
    }
    let token_file = globals.token_file.as_ref().or(environment.token_file.as_ref());
    if let Some(path) = token_file {
        out.push(match read_token(path) {
            Err(failure) => Finding::of("token file", &failure),
            Ok(_) => mode("token file", path)
                .unwrap_or_else(|| Finding::good("token file", path.display().to_string())),
        });
    }
}

/// What is wrong with a file's mode, if something is.
pub(super) fn mode(check: &'static str, path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let shown = path.display();
    (mode & 0o077 != 0).then(|| {
        Finding::bad(
            check,
            format!("{shown} has mode {mode:04o}: others can read it"),
            format!("chmod 600 {shown}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_wrong() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let set = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(0o600);
        assert_eq!(mode("x", file.path()), None);
        set(0o640);
        let finding = mode("x", file.path()).unwrap();
        assert!(finding.detail.contains("0640"), "{finding:?}");
    }
}
