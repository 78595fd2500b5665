//! Secrets that are given with a task: its process gets them as variables, its output never shows
//! them.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::Work;

/// Secrets of one task.
pub const MAX_SECRETS: usize = 64;

/// The shortest secret, in bytes: shorter ones are everywhere in any output.
pub const MIN_SECRET_BYTES: usize = 4;

/// The longest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 16 << 10;

/// All secrets of a task together, in bytes.
const MAX_TOGETHER_BYTES: usize = 64 << 10;

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Secrets of a task by the names of their variables.
///
/// Their memory is cleared when they are dropped, and `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<String, Zeroizing<String>>,
}

/// Secrets in a form that only their hub can open.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecrets(pub Bytes);

/// Why secrets cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There are too many.
    #[error("a task has at most {MAX_SECRETS} secrets, not {0}")]
    Count(usize),
    /// A name is no name of a variable.
    #[error("{0:?} is no name of a secret: letters, digits and _, no digit first")]
    Name(String),
    /// A value is too short to be told apart from other output.
    #[error(
        "the secret {0} is too short: shorter ones than {MIN_SECRET_BYTES} bytes would be \
             found everywhere in the output"
    )]
    Short(String),
    /// A value is too long.
    #[error("the secret {0} has more than {MAX_SECRET_BYTES} bytes")]
    Long(String),
    /// They are too long together.
    #[error("the secrets have {0} bytes together, at most {MAX_TOGETHER_BYTES} are possible")]
    Together(usize),
    /// A value has a NUL byte, which no variable can have.
    #[error("the secret {0} has a NUL byte")]
    Nul(String),
    /// A variable has the name of a secret.
    #[error("{0} is both a variable and a secret")]
    Twice(String),
    /// A value stands where it is stored in clear.
    #[error(
        "the value of the secret {0} stands in the task itself, where everybody can read it \
             who may see the task: use the variable {0} there"
    )]
    Exposed(String),
}

impl Secrets {
    /// Takes secrets by their names.
    ///
    /// # Errors
    /// [`SecretError`]: there are too many, or one cannot be kept secret.
    pub fn new(
        values: impl IntoIterator<Item = (String, Zeroizing<String>)>,
    ) -> Result<Self, SecretError> {
        let values: BTreeMap<_, _> = values.into_iter().collect();
        if values.len() > MAX_SECRETS {
            return Err(SecretError::Count(values.len()));
        }
        let together = values.values().map(|value| value.len()).sum();
        for (name, value) in &values {
            check_name(name)?;
            match value.len() {
                0..MIN_SECRET_BYTES => return Err(SecretError::Short(name.clone())),
                MIN_SECRET_BYTES..=MAX_SECRET_BYTES => {}
                _ => return Err(SecretError::Long(name.clone())),
            }
            if value.contains('\0') {
                return Err(SecretError::Nul(name.clone()));
            }
        }
        match together {
            0..=MAX_TOGETHER_BYTES => Ok(Self { values }),
            _ => Err(SecretError::Together(together)),
        }
    }

    /// Checks that the work does not show any of them.
    ///
    /// # Errors
    /// `Twice`: a variable has the name of one. `Exposed`: the value of one stands in the work.
    pub fn check_beside(&self, work: &Work) -> Result<(), SecretError> {
        if self.values.is_empty() {
            return Ok(());
        }
        let (texts, stdin) = match work {
            Work::Shell(shell) => {
                if let Some(name) = shell.env.keys().find(|name| self.values.contains_key(*name)) {
                    return Err(SecretError::Twice(name.clone()));
                }
                let texts = shell.argv.iter().chain(&shell.line).chain(&shell.cwd);
                (texts.chain(shell.env.values()).cloned().collect(), shell.stdin.clone())
            }
            Work::Skill { input, .. } => (vec![input.to_string()], Bytes::new()),
        };
        let is_in = |value: &str| {
            let has = |hay: &[u8]| hay.windows(value.len()).any(|part| part == value.as_bytes());
            texts.iter().any(|text: &String| text.contains(value)) || has(&stdin)
        };
        match self.values.iter().find(|(_, value)| is_in(value)) {
            Some((name, _)) => Err(SecretError::Exposed(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Their names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn check_name(name: &str) -> Result<(), SecretError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_well = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if is_plain && begins_well && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(SecretError::Name(name.chars().take(MAX_NAME_BYTES).collect()))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl fmt::Debug for SealedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedSecrets({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ShellWork;
    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> Result<Secrets, SecretError> {
        let own = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Zeroizing::new((*value).to_owned()))
        };
        Secrets::new(pairs.iter().map(own))
    }

    #[test]
    fn what_cannot_be_kept_secret_is_refused() {
        assert_eq!(secrets(&[("KEY", "abc")]), Err(SecretError::Short("KEY".into())));
        assert!(secrets(&[("KEY", "abcd"), ("_k2", &"x".repeat(MAX_SECRET_BYTES))]).is_ok());
        let long = "x".repeat(MAX_SECRET_BYTES + 1);
        assert_eq!(secrets(&[("KEY", &long)]), Err(SecretError::Long("KEY".into())));
        assert_eq!(secrets(&[("KEY", "ab\0d")]), Err(SecretError::Nul("KEY".into())));
        for bad in ["", "1A", "A-B", "A=B", "Ä", &"N".repeat(MAX_NAME_BYTES + 1)] {
            assert!(matches!(secrets(&[(bad, "long enough")]), Err(SecretError::Name(_))), "{bad}");
        }
    }

    #[test]
    fn a_secret_that_stands_in_the_task_is_none() {
        let secrets = secrets(&[("KEY", "hunter2")]).unwrap();
        let check = |change: &dyn Fn(&mut ShellWork)| {
            let mut work = ShellWork { argv: vec!["sh".into()], ..ShellWork::default() };
            change(&mut work);
            secrets.check_beside(&Work::Shell(work))
        };
        let exposed = Err(SecretError::Exposed("KEY".into()));
        assert_eq!(check(&|_| ()), Ok(()));
        assert_eq!(check(&|work| work.argv.push("--key=hunter2".into())), exposed);
        assert_eq!(check(&|work| work.stdin = Bytes::from_static(b"-hunter2-")), exposed);
        let set = |name: &str, value: &str| {
            check(&|work: &mut ShellWork| drop(work.env.insert(name.into(), value.into())))
        };
        assert_eq!(set("OTHER", "hunter2"), exposed);
        assert_eq!(set("KEY", "x"), Err(SecretError::Twice("KEY".into())));
        let input = serde_json::json!({"key": "hunter2"});
        assert_eq!(
            secrets.check_beside(&Work::Skill { name: "a".into(), input, files: vec![] }),
            exposed
        );
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", secrets(&[("KEY", "hunter2")]).unwrap());
        assert_eq!(shown, "{\"KEY\"}");
    }
}
