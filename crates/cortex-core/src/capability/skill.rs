//! What a node says of its skills: what each does, what it takes, and what it returns.

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use super::CapabilityError;
use super::schema::Schema;
use super::text::is_inert;

/// How many bytes the summary of a skill may have.
pub const MAX_SUMMARY_BYTES: usize = 1 << 10;
/// How many bytes one JSON Schema may have.
pub const MAX_SCHEMA_BYTES: usize = 32 << 10;
/// How many bytes the summaries and schemas of all skills of a node may have together.
pub const MAX_FORMS_BYTES: usize = 256 << 10;

/// A skill that a node offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfferedSkill {
    /// The name by which tasks ask for it, e.g. `shell`; never empty.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does and takes. Nodes that say the same share it in a hub's memory.
    #[serde(skip_serializing_if = "Form::is_unsaid")]
    pub form: Arc<Form>,
}

/// What a skill does, takes and returns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// What it does, in a sentence; empty where nobody said.
    pub summary: String,
    /// What it takes.
    pub input: Schema,
    /// What it returns.
    pub output: Schema,
}

impl Form {
    /// Whether there is nothing in it: of an older node, say.
    #[must_use]
    pub fn is_unsaid(this: &Arc<Self>) -> bool {
        this.bytes() == 0
    }

    fn bytes(&self) -> usize {
        self.summary.len() + self.input.text().len() + self.output.text().len()
    }

    fn check(&self, field: &str) -> Result<(), CapabilityError> {
        let within = |part: &str, found: usize, max: usize| {
            let field = format!("{field}.{part}");
            if found <= max { Ok(()) } else { Err(CapabilityError::TooLarge { field, found, max }) }
        };
        within("summary", self.summary.len(), MAX_SUMMARY_BYTES)?;
        if !is_inert(&self.summary) {
            return Err(CapabilityError::Unprintable { field: format!("{field}.summary") });
        }
        for (part, schema) in [("input", &self.input), ("output", &self.output)] {
            within(part, schema.text().len(), MAX_SCHEMA_BYTES)?;
            let read = schema.read();
            read.map_err(|error| CapabilityError::Schema {
                field: format!("{field}.{part}"),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }
}

/// Checks what is said of skills.
///
/// # Errors
/// [`CapabilityError`] names the field and its limit.
pub fn check_forms(skills: &[OfferedSkill]) -> Result<(), CapabilityError> {
    let mut bytes = 0;
    for (index, skill) in skills.iter().enumerate() {
        skill.form.check(&format!("skills[{index}]"))?;
        bytes += skill.form.bytes();
    }
    if bytes > MAX_FORMS_BYTES {
        let field = "skills, their summaries and schemas together,".to_owned();
        return Err(CapabilityError::TooLarge { field, found: bytes, max: MAX_FORMS_BYTES });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn skill(form: Form) -> OfferedSkill {
        OfferedSkill { name: "s".into(), version: "1".into(), form: Arc::new(form) }
    }

    #[test]
    fn a_skill_of_an_older_node_says_nothing_of_itself() {
        let old: OfferedSkill = serde_json::from_str(r#"{"name":"s","version":"1"}"#).unwrap();
        assert_eq!(old, skill(Form::default()));
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"name":"s","version":"1"}"#);
        let input = Schema::of(&json!({"type": "string"}));
        let new = skill(Form { summary: "does".into(), input, ..Form::default() });
        let text = serde_json::to_string(&new).unwrap();
        assert_eq!(serde_json::from_str::<OfferedSkill>(&text).unwrap(), new);
    }

    #[test]
    fn what_is_said_is_bounded() {
        let form = |change: fn(&mut Form)| {
            let mut form = Form::default();
            change(&mut form);
            check_forms(&[skill(form)])
        };
        assert_eq!(form(|form| form.summary = "x".repeat(MAX_SUMMARY_BYTES)), Ok(()));
        assert!(form(|form| form.summary = "x".repeat(MAX_SUMMARY_BYTES + 1)).is_err());
        assert!(form(|form| form.summary = "a\x1b[2J".into()).is_err());
        assert!(form(|form| form.input = Schema::unread("[]")).is_err());
        assert!(form(|form| form.output = Schema::unread("{")).is_err());
        let long = json!({ "description": "x".repeat(MAX_SCHEMA_BYTES) });
        assert!(
            check_forms(&[skill(Form { input: Schema::of(&long), ..Form::default() })]).is_err()
        );
        let half = json!({ "description": "x".repeat(MAX_SCHEMA_BYTES / 2) });
        let many = vec![skill(Form { input: Schema::of(&half), ..Form::default() }); 17];
        assert!(check_forms(&many[..1]).is_ok() && check_forms(&many).is_err());
    }
}
