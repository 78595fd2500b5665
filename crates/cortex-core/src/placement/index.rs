//! Which nodes fit, asked of all at once: a column for each fact, a set for each answer.
//!
//! A column is made when the first requirement asks for its fact. After that a condition costs a
//! pass over the nodes' numbers, or a look at those that have the text; the joints `&&` and `||`
//! cost a word for 64 nodes.

use std::collections::HashMap;

use crate::capability::Facts;
use crate::capability::Requirement;
use crate::capability::Selector;
use crate::capability::Term;
use crate::capability::requirement::Check;
use crate::capability::requirement::Field;
use crate::capability::requirement::Leaf;
use crate::capability::requirement::Subject;
use crate::capability::requirement::Value;
use crate::capability::requirement::walk;
use crate::placement::bits::Bits;

/// The facts of all nodes, by column.
#[derive(Debug)]
pub(super) struct Index<'a> {
    facts: Vec<Facts<'a>>,
    columns: HashMap<Key, Column<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Fact(Subject),
    /// A label, of those only that its owner gave: selectors see no others.
    OwnersLabel(String),
}

/// One fact of all nodes.
#[derive(Debug)]
struct Column<'a> {
    /// Of which nodes it is known, be it that it is absent.
    known: Bits,
    /// Which nodes have it.
    present: Bits,
    /// The nodes that have a text, or have it in their set.
    by_text: HashMap<&'a str, Vec<usize>>,
    /// The number of each node, 0 where there is none.
    numbers: Vec<u64>,
}

impl<'a> Index<'a> {
    pub(super) fn new(facts: Vec<Facts<'a>>) -> Self {
        Self { facts, columns: HashMap::new() }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// The nodes that meet a requirement.
    pub(super) fn fitting(&mut self, requirement: &Requirement) -> Bits {
        walk(
            requirement.root(),
            false,
            &mut |leaf| {
                let column =
                    column(&mut self.columns, &self.facts, Key::Fact(leaf.check.subject()));
                column.holding(leaf)
            },
            &mut |parts: Vec<Bits>, all| {
                let mut parts = parts.into_iter();
                let first = parts.next().expect("a chain has two parts at least");
                parts.fold(first, |mut joined, part| {
                    if all {
                        joined.and(&part);
                    } else {
                        joined.or(&part);
                    }
                    joined
                })
            },
        )
    }

    /// The nodes that a selector matches.
    pub(super) fn selected(&mut self, selector: &Selector) -> Bits {
        let mut selected = Bits::all(self.len());
        for term in selector.terms() {
            let (Term::Equals { key, .. } | Term::Differs { key, .. } | Term::Exists { key }) =
                term;
            let key = Key::OwnersLabel(key.clone());
            let column = column(&mut self.columns, &self.facts, key);
            match term {
                Term::Equals { value, .. } => selected.and(&column.with_text(value)),
                Term::Differs { value, .. } => selected.without(&column.with_text(value)),
                Term::Exists { .. } => selected.and(&column.present),
            }
        }
        selected
    }

    /// The nodes that offer a skill, and those that do not state their skills at all.
    pub(super) fn skilled(&mut self, name: &str) -> Bits {
        let key = Key::Fact(Subject::Field(Field::Skills));
        let column = column(&mut self.columns, &self.facts, key);
        let mut skilled = Bits::all(self.facts.len());
        skilled.without(&column.present);
        skilled.or(&column.with_text(name));
        skilled
    }
}

fn column<'c, 'a>(
    columns: &'c mut HashMap<Key, Column<'a>>,
    facts: &[Facts<'a>],
    key: Key,
) -> &'c Column<'a> {
    columns.entry(key).or_insert_with_key(|key| Column::new(facts, key))
}

impl<'a> Column<'a> {
    fn new(facts: &[Facts<'a>], key: &Key) -> Self {
        let mut column = Self {
            known: Bits::none(facts.len()),
            present: Bits::none(facts.len()),
            by_text: HashMap::new(),
            numbers: vec![0; facts.len()],
        };
        for (node, facts) in facts.iter().enumerate() {
            let value = match key {
                Key::Fact(subject) => facts.value(subject),
                Key::OwnersLabel(key) => {
                    facts.labels.get(key).map_or(Value::Absent, |value| Value::Text(value))
                }
            };
            column.enter(node, value);
        }
        column
    }

    fn enter(&mut self, node: usize, value: Value<'a>) {
        if value == Value::Unknown {
            return;
        }
        self.known.set(node);
        let texts = match value {
            Value::Unknown | Value::Absent => return,
            Value::Text(text) => vec![text],
            Value::Set(texts) if texts.is_empty() => return,
            Value::Set(texts) => texts,
            Value::Number(number) => {
                self.numbers[node] = number;
                Vec::new()
            }
        };
        self.present.set(node);
        for text in texts {
            self.by_text.entry(text).or_default().push(node);
        }
    }

    /// The nodes for which a condition, or its opposite, is known to hold.
    fn holding(&self, leaf: Leaf<'_>) -> Bits {
        let (mut plain, opposite) = match leaf.check {
            Check::Text { equal, value, .. } => (self.with_text(value), !equal),
            Check::Has { value, .. } => (self.with_text(value), false),
            Check::Labelled { .. } => (self.present.clone(), false),
            Check::OneOf { values, .. } => {
                let mut any = Bits::none(self.numbers.len());
                values.iter().for_each(|value| any.or(&self.with_text(value)));
                (any, false)
            }
            Check::Number { compare, value, .. } => {
                let mut holding = Bits::of(&self.numbers, |number| compare.holds(number, *value));
                holding.and(&self.known);
                (holding, false)
            }
        };
        if leaf.negated != opposite {
            let mut rest = self.known.clone();
            rest.without(&plain);
            plain = rest;
        }
        plain
    }

    fn with_text(&self, text: &str) -> Bits {
        let mut bits = Bits::none(self.numbers.len());
        self.by_text.get(text).into_iter().flatten().for_each(|node| bits.set(*node));
        bits
    }
}
