//! Whether a node fits, and why not.
//!
//! Negation is carried down to the conditions, where it has an opposite: `!(a && b)` is `!a || !b`,
//! and `!(cpu.cores < 4)` is `cpu.cores >= 4`. What is left joins conditions by *all* and *any*
//! only, so that it is enough to count what is not known as not met.

use crate::capability::requirement::expression::Check;
use crate::capability::requirement::expression::Expression;
use crate::capability::requirement::expression::Span;
use crate::capability::requirement::facts::Facts;
use crate::capability::requirement::facts::Value;
use crate::capability::requirement::reason::Reason;

/// A condition, or its opposite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) check: &'a Check,
    pub(crate) negated: bool,
    /// Where it stands in the requirement's text.
    pub(crate) at: Span,
}

impl Leaf<'_> {
    /// Whether it holds for a value; `None` where that is not known.
    pub(crate) fn holds(self, value: &Value<'_>) -> Option<bool> {
        let plain = match (self.check, value) {
            (_, Value::Unknown) => return None,
            (Check::Labelled { .. }, value) => *value != Value::Absent,
            (Check::Text { equal, value, .. }, Value::Text(found)) => (value == found) == *equal,
            (Check::Text { equal, .. }, Value::Absent) => !equal,
            (Check::OneOf { values, .. }, Value::Text(found)) => {
                values.iter().any(|value| value == found)
            }
            (Check::Number { compare, value, .. }, Value::Number(found)) => {
                compare.holds(*found, *value)
            }
            (Check::Has { value, .. }, Value::Set(found)) => found.contains(&value.as_str()),
            // Nothing that is absent is one of a list; other pairs of check and value are not made.
            _ => false,
        };
        Some(plain != self.negated)
    }
}

/// Folds an expression from its conditions up; `join` gets the parts and whether all are needed.
pub(crate) fn walk<'a, T>(
    expression: &'a Expression,
    negated: bool,
    leaf: &mut impl FnMut(Leaf<'a>) -> T,
    join: &mut impl FnMut(Vec<T>, bool) -> T,
) -> T {
    let (parts, all) = match expression {
        Expression::Condition { check, at } => return leaf(Leaf { check, negated, at: *at }),
        Expression::Not(inner) => return walk(inner, !negated, leaf, join),
        Expression::All(parts) => (parts, !negated),
        Expression::Any(parts) => (parts, negated),
    };
    let parts = parts.iter().map(|part| walk(part, negated, leaf, join)).collect();
    join(parts, all)
}

/// Whether the node fits.
pub(super) fn fits(root: &Expression, facts: &Facts<'_>) -> bool {
    walk(
        root,
        false,
        &mut |leaf| leaf.holds(&facts.value(&leaf.check.subject())) == Some(true),
        &mut |parts: Vec<bool>, all| {
            if all { parts.iter().all(|part| *part) } else { parts.iter().any(|part| *part) }
        },
    )
}

/// Why the node does not fit; empty where it does.
pub(super) fn unmet(root: &Expression, text: &str, facts: &Facts<'_>) -> Vec<Reason> {
    walk(
        root,
        false,
        &mut |leaf| {
            let value = facts.value(&leaf.check.subject());
            match leaf.holds(&value) {
                Some(true) => Vec::new(),
                _ => vec![Reason::of(leaf, text, &value)],
            }
        },
        &mut |parts: Vec<Vec<Reason>>, all| {
            if all {
                return parts.concat();
            }
            if parts.iter().any(Vec::is_empty) {
                return Vec::new();
            }
            vec![Reason::Neither { alternatives: parts }]
        },
    )
}
