//! Sandbox policies, the payloads of signed messages of kind POLICY.

use cortex_core::policy::Mode;
use cortex_core::policy::Rule;
use cortex_core::policy::RuleError;
use cortex_core::policy::SandboxPolicy;

use super::ConvertError;
use crate::v1;
use crate::v1::sandbox_policy::Mode as WireMode;

/// The name of the wire message, as envelopes carry it.
pub const TYPE: &str = "cortex.v1.SandboxPolicy";

impl From<&SandboxPolicy> for v1::SandboxPolicy {
    fn from(policy: &SandboxPolicy) -> Self {
        let mode = match policy.mode {
            Mode::Strict => WireMode::Strict,
            Mode::Permissive => WireMode::Permissive,
        };
        Self {
            mode: mode.into(),
            allowed_commands: policy.allow.iter().map(v1::PolicyRule::from).collect(),
            denied_commands: policy.deny.iter().map(v1::PolicyRule::from).collect(),
            workspace_root: policy.workspace_root.clone().unwrap_or_default(),
        }
    }
}

impl From<&Rule> for v1::PolicyRule {
    fn from(rule: &Rule) -> Self {
        Self {
            name: rule.name().unwrap_or_default().to_owned(),
            program: rule.program().to_owned(),
            args: rule.args().to_vec(),
            reason: rule.reason().unwrap_or_default().to_owned(),
            shell: rule.is_shell(),
            exact: rule.is_exact(),
        }
    }
}

impl TryFrom<v1::SandboxPolicy> for SandboxPolicy {
    type Error = ConvertError;

    fn try_from(wire: v1::SandboxPolicy) -> Result<Self, ConvertError> {
        let mode = match wire.mode() {
            WireMode::Permissive => Mode::Permissive,
            WireMode::Strict | WireMode::Unspecified => Mode::Strict,
        };
        let root = wire.workspace_root;
        let policy = Self {
            mode,
            allow: parse_rules("allowed_commands", wire.allowed_commands)?,
            deny: parse_rules("denied_commands", wire.denied_commands)?,
            workspace_root: (!root.is_empty()).then_some(root),
        };
        policy.validate().map_err(|error| ConvertError::bad("policy", error))?;
        Ok(policy)
    }
}

fn parse_rules(field: &'static str, wire: Vec<v1::PolicyRule>) -> Result<Vec<Rule>, ConvertError> {
    wire.into_iter()
        .map(|rule| parse_rule(rule).map_err(|error| ConvertError::bad(field, error)))
        .collect()
}

fn parse_rule(wire: v1::PolicyRule) -> Result<Rule, RuleError> {
    let mut rule = Rule::new(wire.program)?;
    if !wire.args.is_empty() {
        rule = rule.with_args(wire.args)?;
    }
    if wire.exact {
        rule = rule.exactly();
    }
    if wire.shell {
        rule = rule.for_command_lines();
    }
    if !wire.name.is_empty() {
        rule = rule.named(wire.name)?;
    }
    if wire.reason.is_empty() { Ok(rule) } else { rule.because(wire.reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_the_way() {
        let policy = SandboxPolicy {
            mode: Mode::Strict,
            allow: vec![
                "git status".parse().unwrap(),
                Rule::new("sh").unwrap().for_command_lines(),
                Rule::new("ls").unwrap().exactly(),
            ],
            deny: vec![
                Rule::new("rm").unwrap().named("no-rm").unwrap().because("keep files").unwrap(),
            ],
            workspace_root: Some("/srv/work".into()),
        };
        let wire = v1::SandboxPolicy::from(&policy);
        assert_eq!(SandboxPolicy::try_from(wire), Ok(policy));
    }

    #[test]
    fn an_unknown_mode_is_strict() {
        let wire = v1::SandboxPolicy { mode: 77, ..Default::default() };
        assert_eq!(SandboxPolicy::try_from(wire).map(|policy| policy.mode), Ok(Mode::Strict));
    }
}
