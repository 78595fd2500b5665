//! What nodes say of their skills, kept once for all that say the same.

use std::collections::HashSet;
use std::sync::Arc;

use cortex_core::capability::Form;
use cortex_core::capability::OfferedSkill;
use cortex_core::node::Node;

/// Below so many, those that no node uses any more are not looked for.
const FEW: usize = 64;

/// All forms of skills that are in use.
#[derive(Debug, Default)]
pub(super) struct Forms {
    known: HashSet<Arc<Form>>,
    /// How many there may be before those are dropped that no node uses.
    most: usize,
}

impl Forms {
    /// Makes a node share its forms with others that say the same.
    pub(super) fn share(&mut self, node: &mut Node) {
        if let Some(stated) = &mut node.capabilities {
            self.share_skills(&mut stated.skills);
        }
    }

    fn share_skills(&mut self, skills: &mut [OfferedSkill]) {
        for skill in skills {
            match self.known.get(&skill.form) {
                Some(known) => skill.form = Arc::clone(known),
                None => {
                    self.known.insert(Arc::clone(&skill.form));
                }
            }
        }
        if self.known.len() > self.most.max(FEW) {
            self.known.retain(|form| Arc::strong_count(form) > 1);
            self.most = 2 * self.known.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::capability::Schema;

    use super::*;

    fn form(text: &str) -> Arc<Form> {
        Arc::new(Form { summary: text.to_owned(), ..Form::default() })
    }

    fn shared(forms: &mut Forms, text: &str) -> Arc<Form> {
        let mut skills = [OfferedSkill { form: form(text), ..OfferedSkill::default() }];
        forms.share_skills(&mut skills);
        Arc::clone(&skills[0].form)
    }

    #[test]
    fn equal_forms_are_one_and_unused_ones_are_dropped() {
        let mut forms = Forms::default();
        let first = shared(&mut forms, "a");
        assert!(Arc::ptr_eq(&first, &shared(&mut forms, "a")));
        assert!(!Arc::ptr_eq(&first, &shared(&mut forms, "b")));
        for number in 0..10 * FEW {
            shared(&mut forms, &number.to_string());
        }
        assert!(forms.known.len() <= 2 * FEW, "{}", forms.known.len());
        assert!(Arc::ptr_eq(&first, &shared(&mut forms, "a")));
        assert_ne!(*first, Form { input: Schema::unread("true"), ..Form::clone(&first) });
    }
}
