//! Properties of all requirements.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::expression::Compare;
use super::expression::Span;
use super::*;
use crate::capability::Capabilities;
use crate::capability::Gpu;
use crate::capability::OfferedSkill;
use crate::capability::OperatingSystem;

const NOWHERE: Span = Span { start: 0, end: 0 };

fn any_subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::Field(Field::Os)),
        Just(Subject::Field(Field::Kernel)),
        "[a-c]".prop_map(Subject::Label),
    ]
}

fn any_check() -> impl Strategy<Value = Check> {
    let compare = prop::sample::select(vec![
        Compare::Equal,
        Compare::Differs,
        Compare::Less,
        Compare::AtMost,
        Compare::More,
        Compare::AtLeast,
    ]);
    let number = prop::sample::select(vec![Field::CpuCores, Field::Memory, Field::GpuMemory]);
    let value = prop_oneof![0_u64..4, (0_u64..4).prop_map(|n| n << 30), any::<u64>()];
    prop_oneof![
        (any_subject(), any::<bool>(), "[xy]").prop_map(|(subject, equal, value)| Check::Text {
            subject,
            equal,
            value
        }),
        (any_subject(), prop::collection::vec("[xyz]", 1..3))
            .prop_map(|(subject, values)| Check::OneOf { subject, values }),
        (number, compare, value).prop_map(|(field, compare, value)| Check::Number {
            field,
            compare,
            value
        }),
        "[xy\"\\\\ ä]{0,3}".prop_map(|value| Check::Has { field: Field::Skills, value }),
        "[a-c]".prop_map(|key| Check::Labelled { key }),
    ]
}

/// Expressions with few enough conditions to be read back.
pub(crate) fn any_expression() -> impl Strategy<Value = Expression> {
    let leaf = any_check().prop_map(|check| Expression::Condition { check, at: NOWHERE });
    leaf.prop_recursive(4, 24, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts().prop_map(Expression::all),
            parts().prop_map(Expression::any),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

/// What a node may have stated, with gaps.
pub(crate) fn any_stated() -> impl Strategy<Value = Option<Capabilities>> {
    let labels = prop::collection::btree_map("[a-c]", "[xyz]", 0..3);
    let skills = prop::collection::btree_set("[xy]", 0..3);
    let bytes = || (0_u64..4).prop_map(|n| n << 30);
    let gpus = prop::collection::vec(bytes(), 0..3);
    let texts = ("[xy]?", "[xy]?");
    let stated = (texts, 0_u32..4, bytes(), gpus, skills, labels);
    prop::option::weighted(
        0.9,
        stated.prop_map(|((family, kernel), cores, memory_bytes, gpus, skills, labels)| {
            let gpu = |memory_bytes| Gpu { memory_bytes, ..Gpu::default() };
            let skill = |name| OfferedSkill { name, ..OfferedSkill::default() };
            Capabilities {
                os: OperatingSystem { family, ..OperatingSystem::default() },
                kernel,
                cores,
                memory_bytes,
                gpus: gpus.into_iter().map(gpu).collect(),
                skills: skills.into_iter().map(skill).collect(),
                labels,
                ..Capabilities::default()
            }
        }),
    )
}

pub(crate) fn any_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-c]", "[xy]", 0..3)
}

/// The meaning by its definition: three values, `None` for what is not known.
fn meaning(expression: &Expression, facts: &Facts<'_>) -> Option<bool> {
    let of = |parts: &[Expression]| -> Vec<_> {
        parts.iter().map(|part| meaning(part, facts)).collect()
    };
    match expression {
        Expression::Condition { check, .. } => {
            Leaf { check, negated: false, at: NOWHERE }.holds(&facts.value(&check.subject()))
        }
        Expression::Not(inner) => meaning(inner, facts).map(|holds| !holds),
        Expression::All(parts) => match of(parts) {
            parts if parts.contains(&Some(false)) => Some(false),
            parts if parts.contains(&None) => None,
            _ => Some(true),
        },
        Expression::Any(parts) => match of(parts) {
            parts if parts.contains(&Some(true)) => Some(true),
            parts if parts.contains(&None) => None,
            _ => Some(false),
        },
    }
}

/// Without the places, which differ between a tree that was made and one that was read.
fn placeless(expression: &Expression) -> Expression {
    let of = |parts: &[Expression]| parts.iter().map(placeless).collect();
    match expression {
        Expression::Condition { check, .. } => {
            Expression::Condition { check: check.clone(), at: NOWHERE }
        }
        Expression::Not(inner) => Expression::Not(Box::new(placeless(inner))),
        Expression::All(parts) => Expression::All(of(parts)),
        Expression::Any(parts) => Expression::Any(of(parts)),
    }
}

/// Checks that each condition's place holds just its text.
fn check_places(expression: &Expression, text: &str) {
    match expression {
        Expression::Condition { check, at } => {
            assert_eq!(&text[at.start..at.end], check.to_string());
        }
        Expression::Not(inner) => check_places(inner, text),
        Expression::All(parts) | Expression::Any(parts) => {
            parts.iter().for_each(|part| check_places(part, text));
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(expression in any_expression()) {
        let text = expression.to_string();
        let requirement: Requirement = text.parse().unwrap();
        prop_assert_eq!(requirement.as_str(), &text);
        prop_assert_eq!(placeless(requirement.root()), placeless(&expression));
        check_places(requirement.root(), &text);
    }

    #[test]
    fn a_node_fits_where_the_meaning_is_true(
        expression in any_expression(), stated in any_stated(), labels in any_labels(),
    ) {
        let facts = Facts { labels: &labels, capabilities: stated.as_ref() };
        let requirement: Requirement = expression.to_string().parse().unwrap();
        let fits = meaning(&expression, &facts) == Some(true);
        prop_assert_eq!(requirement.fits(&facts), fits);
        prop_assert_eq!(requirement.unmet(&facts).is_empty(), fits);
    }

    #[test]
    fn reading_never_panics_and_points_into_the_text(
        text in "([a-z.]{1,9}|[()!&|=<>,\\[\\] ]{1,3}|\"[a-z]*\"?|[0-9]{1,3}(GiB|MB|x)?|label\\.[a-z/.]{1,4}|ä){0,12}|\\PC*",
    ) {
        match text.parse::<Requirement>() {
            Ok(requirement) => {
                prop_assert_eq!(requirement.as_str().parse::<Requirement>().unwrap(), requirement);
            }
            Err(error) => prop_assert!(error.column() <= text.chars().count() + 1),
        }
    }
}
