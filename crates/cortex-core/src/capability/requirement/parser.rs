//! From the text to the tree: recursive descent, with the types checked on the way.

use crate::capability::label::check_key;
use crate::capability::label::check_pair;
use crate::capability::label::shortened;
use crate::capability::requirement::MAX_CONDITIONS;
use crate::capability::requirement::MAX_DEPTH;
use crate::capability::requirement::MAX_REQUIREMENT_BYTES;
use crate::capability::requirement::bytes;
use crate::capability::requirement::expression::Check;
use crate::capability::requirement::expression::Compare;
use crate::capability::requirement::expression::Expression;
use crate::capability::requirement::expression::Span;
use crate::capability::requirement::expression::Subject;
use crate::capability::requirement::fault::Fault;
use crate::capability::requirement::fault::RequirementError;
use crate::capability::requirement::field::Field;
use crate::capability::requirement::field::LABEL;
use crate::capability::requirement::field::Type;
use crate::capability::requirement::field::field_like;
use crate::capability::requirement::field::value_like;
use crate::capability::requirement::lexer::Placed;
use crate::capability::requirement::lexer::Token;
use crate::capability::requirement::lexer::split;

/// Reads a requirement.
pub(super) fn parse(text: &str) -> Result<Expression, RequirementError> {
    if text.len() > MAX_REQUIREMENT_BYTES {
        return Err(RequirementError::new(Fault::TooLong, 1));
    }
    read(text)
        .map_err(|(fault, at)| RequirementError::new(fault, text[..at.start].chars().count() + 1))
}

fn read(text: &str) -> Placed<Expression> {
    let mut parser = Parser { tokens: split(text)?, next: 0, depth: 0, conditions: 0 };
    let expression = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expression),
        _ => Err(parser.unexpected("&&, || or the end")),
    }
}

struct Parser<'a> {
    /// Never empty: the last one is the end.
    tokens: Vec<(Token<'a>, Span)>,
    next: usize,
    depth: usize,
    conditions: usize,
}

impl<'a> Parser<'a> {
    /// `all { "||" all }`
    fn expression(&mut self) -> Placed<Expression> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(Expression::any(parts))
    }

    /// `one { "&&" one }`
    fn all(&mut self) -> Placed<Expression> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(Expression::all(parts))
    }

    /// `"(" expression ")" | "!" ( "(" expression ")" | "!" … | label ) | condition`
    fn one(&mut self) -> Placed<Expression> {
        if self.take("(") {
            return self.nested(|parser| {
                let inner = parser.expression()?;
                parser.expect(")", "&&, || or )")?;
                Ok(inner)
            });
        }
        if self.take("!") {
            let inner = self.nested(Self::one)?;
            let is_enclosed = self.tokens[self.next - 1].0 == Token::Symbol(")");
            match &inner {
                Expression::Condition { check: Check::Labelled { .. }, .. } => {}
                // Who reads `!a == b` may take it for `(!a) == b`.
                Expression::Condition { at, .. } if !is_enclosed => {
                    return Err((Fault::Negation, *at));
                }
                _ => {}
            }
            return Ok(Expression::Not(Box::new(inner)));
        }
        self.condition()
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Placed<Expression>,
    ) -> Placed<Expression> {
        if self.depth == MAX_DEPTH {
            return Err((Fault::TooDeep, self.tokens[self.next - 1].1));
        }
        self.depth += 1;
        let inner = inner(self);
        self.depth -= 1;
        inner
    }

    fn condition(&mut self) -> Placed<Expression> {
        let start = self.at();
        if self.conditions == MAX_CONDITIONS {
            return Err((Fault::TooMany, start));
        }
        self.conditions += 1;
        let check = match self.advance() {
            (Token::Name(name), at) if name != "in" => {
                self.about(subject(name).map_err(|f| (f, at))?)?
            }
            (Token::Text(value), _) => self.member(value)?,
            _ => {
                self.next -= 1;
                return Err(self.unexpected("a field, a text, ! or ("));
            }
        };
        let end = self.tokens[self.next - 1].1.end;
        Ok(Expression::Condition { check, at: Span { start: start.start, end } })
    }

    /// `"browser" in skills`; the text is read.
    fn member(&mut self, value: String) -> Placed<Check> {
        if self.peek() != &Token::Name("in") {
            return Err(self.unexpected("in, behind a text"));
        }
        self.next += 1;
        let (Token::Name(name), at) = self.advance() else {
            self.next -= 1;
            return Err(self.unexpected("a field such as skills"));
        };
        match subject(name).map_err(|fault| (fault, at))? {
            Subject::Field(field) if field.kind() == Type::Set => Ok(Check::Has { field, value }),
            other => Err((mismatch(&other), at)),
        }
    }

    /// What is said of a field; its name is read.
    fn about(&mut self, subject: Subject) -> Placed<Check> {
        let at = self.at();
        let kind = kind_of(&subject);
        let compare = match self.peek() {
            Token::Symbol(symbol) => comparison(symbol),
            Token::Name("in") if kind == Type::Text => {
                self.next += 1;
                let values = self.list(&subject)?;
                return Ok(Check::OneOf { subject, values });
            }
            _ => None,
        };
        let Some(compare) = compare else {
            return match subject {
                Subject::Label(key) => Ok(Check::Labelled { key }),
                _ => Err((mismatch(&subject), at)),
            };
        };
        self.next += 1;
        match (subject, kind, compare) {
            (subject, Type::Text, Compare::Equal | Compare::Differs) => {
                let value = self.text(&subject)?;
                Ok(Check::Text { subject, equal: compare == Compare::Equal, value })
            }
            (Subject::Field(field), Type::Count | Type::Bytes, compare) => {
                Ok(Check::Number { field, compare, value: self.number(field)? })
            }
            (subject, ..) => Err((mismatch(&subject), at)),
        }
    }

    fn list(&mut self, subject: &Subject) -> Placed<Vec<String>> {
        self.expect("[", "[")?;
        let mut values = vec![self.text(subject)?];
        while self.take(",") {
            values.push(self.text(subject)?);
        }
        self.expect("]", ", or ]")?;
        Ok(values)
    }

    fn text(&mut self, subject: &Subject) -> Placed<String> {
        let (Token::Text(value), at) = self.advance() else {
            self.next -= 1;
            return Err(self.unexpected("a text in quotes"));
        };
        check_value(subject, &value).map_err(|fault| (fault, at))?;
        Ok(value)
    }

    fn number(&mut self, field: Field) -> Placed<u64> {
        let (Token::Number { digits, unit }, at) = self.advance() else {
            self.next -= 1;
            return Err((mismatch(&Subject::Field(field)), self.at()));
        };
        let counts = field.kind() == Type::Count;
        let factor = if counts { unit.is_empty().then_some(1) } else { bytes::bytes_in(unit) };
        let Some(factor) = factor else {
            let near = if unit.is_empty() { None } else { bytes::unit_like(unit) };
            let (field, unit) = (field.to_string(), shortened(unit));
            return Err((Fault::Unit { field, unit, counts, near }, at));
        };
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        number.ok_or((Fault::TooLarge, at))
    }

    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.next].0
    }

    fn at(&self) -> Span {
        self.tokens[self.next].1
    }

    /// The next word. The end is never passed: whoever meets it steps back and fails.
    fn advance(&mut self) -> (Token<'a>, Span) {
        let token = self.tokens[self.next].clone();
        self.next += 1;
        token
    }

    fn take(&mut self, symbol: &'static str) -> bool {
        let is_there = self.peek() == &Token::Symbol(symbol);
        self.next += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, symbol: &'static str, expected: &'static str) -> Placed<()> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> (Fault, Span) {
        let found = match self.peek() {
            Token::Name(name) => format!("\"{}\"", shortened(name)),
            Token::Number { digits, unit } => shortened(&format!("{digits}{unit}")),
            Token::Text(text) => format!("the text {:?}", shortened(text)),
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::End => "the end".to_owned(),
        };
        (Fault::Unexpected { expected, found }, self.at())
    }
}

fn subject(name: &str) -> Result<Subject, Fault> {
    if let Some(key) = name.strip_prefix(LABEL) {
        check_key(key)?;
        return Ok(Subject::Label(key.to_owned()));
    }
    match Field::named(name) {
        Some(field) => Ok(Subject::Field(field)),
        None => Err(Fault::Field { name: shortened(name), near: field_like(name) }),
    }
}

fn kind_of(subject: &Subject) -> Type {
    match subject {
        Subject::Field(field) => field.kind(),
        Subject::Label(_) => Type::Text,
    }
}

fn mismatch(subject: &Subject) -> Fault {
    Fault::Mismatch { field: subject.to_string(), kind: kind_of(subject) }
}

fn check_value(subject: &Subject, value: &str) -> Result<(), Fault> {
    match subject {
        Subject::Label(key) => Ok(check_pair(key, value)?),
        Subject::Field(field) => match value_like(*field, value) {
            None => Ok(()),
            Some(near) => {
                Err(Fault::Value { field: field.to_string(), value: shortened(value), near })
            }
        },
    }
}

fn comparison(symbol: &str) -> Option<Compare> {
    Some(match symbol {
        "==" => Compare::Equal,
        "!=" => Compare::Differs,
        "<" => Compare::Less,
        "<=" => Compare::AtMost,
        ">" => Compare::More,
        ">=" => Compare::AtLeast,
        _ => return None,
    })
}
