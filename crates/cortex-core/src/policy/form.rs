//! The written forms of a policy: the one people read and write, and the one that is hashed.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;

use crate::policy::Mode;
use crate::policy::SandboxPolicy;
use crate::policy::rule::Rule;
use crate::policy::rule::RuleError;

/// A policy as it is read, before it is checked as a whole.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "policy")]
pub(super) struct Written {
    pub(super) mode: Mode,
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
    pub(super) workspace_root: Option<String>,
}

/// A policy with every field in its place, whichever way it was written.
#[derive(Serialize)]
pub(super) struct Canonical<'a> {
    mode: Mode,
    allow: Vec<CanonicalRule<'a>>,
    deny: Vec<CanonicalRule<'a>>,
    workspace_root: Option<&'a str>,
}

impl<'a> Canonical<'a> {
    pub(super) fn of(policy: &'a SandboxPolicy) -> Self {
        Self {
            mode: policy.mode,
            allow: policy.allow.iter().map(CanonicalRule::of).collect(),
            deny: policy.deny.iter().map(CanonicalRule::of).collect(),
            workspace_root: policy.workspace_root.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct CanonicalRule<'a> {
    program: &'a str,
    args: &'a [String],
    exact: bool,
    shell: bool,
    name: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> CanonicalRule<'a> {
    fn of(rule: &'a Rule) -> Self {
        Self {
            program: &rule.program,
            args: &rule.args,
            exact: rule.exact,
            shell: rule.shell,
            name: rule.name.as_deref(),
            reason: rule.reason.as_deref(),
        }
    }
}

/// The map form of a rule; what is not written has its default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "rule")]
struct RuleMap {
    program: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    exact: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    shell: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl TryFrom<RuleMap> for Rule {
    type Error = RuleError;

    fn try_from(map: RuleMap) -> Result<Self, RuleError> {
        let mut rule = Rule::new(map.program)?.with_args(map.args)?;
        rule.exact = map.exact;
        rule.shell = map.shell;
        if let Some(name) = map.name {
            rule = rule.named(name)?;
        }
        if let Some(reason) = map.reason {
            rule = rule.because(reason)?;
        }
        Ok(rule)
    }
}

/// Writes the text form where it says everything, else the map.
impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if text.parse::<Rule>().is_ok_and(|read| read == *self) {
            return serializer.serialize_str(&text);
        }
        let Rule { program, args, exact, shell, name, reason } = self.clone();
        RuleMap { program, args, exact, shell, name, reason }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor)
    }
}

struct RuleVisitor;

impl<'de> Visitor<'de> for RuleVisitor {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule: a text such as \"git status\", or a map with the key \"program\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rule, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
        let map = RuleMap::deserialize(MapAccessDeserializer::new(map))?;
        map.try_into().map_err(A::Error::custom)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
