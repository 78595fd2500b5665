//! What the node can do: the shell, and whatever its owner installs.
//!
//! The sandbox policy rules over programs, and so over the shell. A skill of its own is code that
//! the node's owner put into the node's program: it is always callable, and does what it was
//! written to do.

pub mod shell;

use std::collections::BTreeMap;
use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::capability::Form;
use cortex_core::capability::MAX_SKILLS;
use cortex_core::capability::Mismatch;
use cortex_core::capability::OfferedSkill;
use cortex_core::capability::Schema;
use cortex_core::capability::check_forms;
use cortex_core::skill::Skill;

/// The longest name of a skill, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The skills of a node, by name.
#[derive(Debug, Clone, Default)]
pub struct Skills {
    by_name: BTreeMap<String, Offered>,
}

#[derive(Debug, Clone)]
struct Offered {
    version: String,
    form: Arc<Form>,
    skill: Arc<dyn Skill>,
}

impl Skills {
    /// Adds a skill.
    ///
    /// # Errors
    /// `Invalid`: its name has other characters than `a-z 0-9 - _ .`, is empty or longer than 64,
    /// there are too many, or what it says of itself is longer than a hub takes. `Exists`: there is
    /// one of that name.
    pub fn add(&mut self, skill: Arc<dyn Skill>) -> Result<()> {
        let description = skill.describe();
        let name = description.name;
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(is_plain) {
            let message =
                format!("{name:?} is no name: it has 1 to 64 characters of a-z 0-9 - _ .");
            return Err(refused(ErrorKind::Invalid, message));
        }
        if self.by_name.len() >= MAX_SKILLS {
            let message = format!("a node has at most {MAX_SKILLS} skills");
            return Err(refused(ErrorKind::Invalid, message));
        }
        if self.by_name.contains_key(&name) {
            let message = format!("there are two skills with the name {name:?}");
            return Err(refused(ErrorKind::Exists, message));
        }
        let form = Form {
            summary: description.summary,
            input: schema_of(&description.input),
            output: schema_of(&description.output),
        };
        let offered = Offered { version: description.version, form: Arc::new(form), skill };
        self.by_name.insert(name.clone(), offered);
        let checked = check_forms(&self.offered());
        checked.map_err(|error| {
            self.by_name.remove(&name);
            refused(ErrorKind::Invalid, format!("{name:?}: {error}"))
        })
    }

    /// Checks the input of a call against what the skill says that it takes.
    ///
    /// # Errors
    /// [`Mismatch`]: where it does not fit.
    pub fn check_input(&self, name: &str, input: &serde_json::Value) -> Result<(), Mismatch> {
        self.by_name.get(name).map_or(Ok(()), |offered| offered.form.input.check(input))
    }

    /// The skill of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Skill>> {
        self.by_name.get(name).map(|offered| Arc::clone(&offered.skill))
    }

    /// The names of all skills, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// What the hub is told of them.
    #[must_use]
    pub fn offered(&self) -> Vec<OfferedSkill> {
        let offer = |(name, offered): (&String, &Offered)| OfferedSkill {
            name: name.clone(),
            version: offered.version.clone(),
            form: Arc::clone(&offered.form),
        };
        self.by_name.iter().map(offer).collect()
    }
}

/// What an author left out lets everything through.
fn schema_of(schema: &serde_json::Value) -> Schema {
    if schema.is_null() { Schema::default() } else { Schema::of(schema) }
}

fn refused(kind: ErrorKind, message: String) -> Error {
    Error::new(kind, "install skill", message).with_code("bad_skill")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use cortex_core::skill::Description;
    use cortex_core::skill::Invocation;
    use cortex_core::task::Outcome;

    use super::*;

    #[derive(Debug)]
    struct Named(&'static str);

    #[async_trait]
    impl Skill for Named {
        fn describe(&self) -> Description {
            let (input, output) = (serde_json::Value::Null, serde_json::Value::Null);
            let (name, version) = (self.0.to_owned(), "2".to_owned());
            Description { name, version, summary: String::new(), input, output }
        }

        async fn run(&self, _: &Invocation, _: serde_json::Value) -> Result<Outcome> {
            Ok(Outcome::Exited { code: 0 })
        }
    }

    #[test]
    fn skills_have_plain_names_once() {
        let mut skills = Skills::default();
        skills.add(Arc::new(Named("ping"))).unwrap();
        let twice = skills.add(Arc::new(Named("ping"))).expect_err("twice");
        assert_eq!(twice.kind(), ErrorKind::Exists);
        for bad in ["", "Ping", "a b", "é"] {
            let error = skills.add(Arc::new(Named(bad))).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
        let (name, version) = ("ping".to_owned(), "2".to_owned());
        assert_eq!(skills.offered(), [OfferedSkill { name, version, ..OfferedSkill::default() }]);
        assert!(skills.get("ping").is_some() && skills.get("pong").is_none());
    }
}
