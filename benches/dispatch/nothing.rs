//! A skill that does nothing: what is measured with it is everything else.

use async_trait::async_trait;
use cortex_core::skill::Invocation;
use cortex_core::skill::SkillError;
use cortex_core::skill::TypedSkill;

/// Does nothing.
#[derive(Debug)]
pub(crate) struct Nothing;

#[async_trait]
impl TypedSkill for Nothing {
    const NAME: &'static str = "nothing";
    const SUMMARY: &'static str = "Does nothing.";
    type Input = ();
    type Output = ();

    async fn run(&self, _: &Invocation, (): ()) -> Result<(), SkillError> {
        Ok(())
    }
}
