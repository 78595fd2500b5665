//! What a skill is called with, checked as soon as a task is asked for.
//!
//! The node checks it again before anything runs: here, it is only told earlier.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::capability::Form;
use cortex_core::capability::Mismatch;
use cortex_core::session::Session;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;

use super::Dispatch;

/// In a session with more nodes than this, the check is left to them.
const MOST_NODES: usize = 32;

impl Dispatch {
    /// Refuses input that fits no form in which the nodes that may be meant offer the skill.
    ///
    /// # Errors
    /// `Invalid`, code `skill_input`: the place in the input that does not fit.
    pub(super) async fn check_skill_input(&self, session: &Session, spec: &TaskSpec) -> Result<()> {
        let Work::Skill { name, input, .. } = &spec.work else { return Ok(()) };
        let nodes = if spec.target.is_closed() { spec.target.named() } else { &session.nodes };
        if nodes.len() > MOST_NODES {
            return Ok(());
        }
        let mut forms: Vec<Arc<Form>> = Vec::new();
        for node in nodes {
            // A node that is gone is told of when the task is placed.
            let Ok(node) = self.registry.get(*node).await else { continue };
            let skill = node.capabilities.as_ref().and_then(|stated| stated.skill(name));
            forms.extend(skill.map(|skill| Arc::clone(&skill.form)));
        }
        forms.dedup();
        judge(name, input, &forms)
    }
}

fn judge(name: &str, input: &serde_json::Value, forms: &[Arc<Form>]) -> Result<()> {
    let mut first: Option<Mismatch> = None;
    for form in forms {
        match form.input.check(input) {
            Ok(()) => return Ok(()),
            Err(mismatch) => first = first.or(Some(mismatch)),
        }
    }
    let Some(mismatch) = first else { return Ok(()) };
    let message = format!("input of skill {name:?}: {mismatch}");
    Err(Error::new(ErrorKind::Invalid, "submit task", message)
        .with_code("skill_input")
        .with_hint(format!("cortex-cli skill show {name}")))
}

#[cfg(test)]
mod tests {
    use cortex_core::capability::Schema;
    use serde_json::json;

    use super::*;

    #[test]
    fn input_is_good_if_one_node_could_take_it() {
        let form = |schema| Arc::new(Form { input: Schema::of(&schema), ..Form::default() });
        let (old, new) = (form(json!({"type": "string"})), form(json!({"type": "integer"})));
        let both = [old.clone(), new];
        assert!(judge("s", &json!(1), &both).is_ok() && judge("s", &json!("a"), &both).is_ok());
        let error = judge("s", &json!(1), &[old]).unwrap_err();
        assert_eq!(error.code(), "skill_input");
        assert!(error.message().contains("it must be a string, not 1"), "{error}");
        assert!(judge("s", &json!(1), &[]).is_ok());
    }
}
