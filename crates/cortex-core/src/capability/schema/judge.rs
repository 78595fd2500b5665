//! The judgement: one walk over schema and value at once.

use serde_json::Map;
use serde_json::Value;

use super::Mismatch;

/// So many schemas are looked at for one value; then the rest is let through.
const MOST_STEPS: u32 = 100_000;

/// So deep a walk goes; schemas may refer to themselves.
const MOST_DEPTH: u32 = 64;

/// The longest value that a message repeats, in characters.
const MOST_SHOWN: usize = 60;

/// Judges values by one schema.
#[derive(Debug)]
pub(super) struct Judge<'s> {
    root: &'s Value,
    steps: u32,
    depth: u32,
}

/// A place in the value, from the inside out.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root,
    Key(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

type Verdict = Result<(), Mismatch>;

/// A keyword, how it is said, and whether a number holds it.
type Range = (&'static str, &'static str, fn(f64, f64) -> bool);

impl Place<'_> {
    fn path(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Key(Place::Root, key) => (*key).to_owned(),
            Place::Key(outer, key) => format!("{}.{key}", outer.path()),
            Place::Index(outer, index) => format!("{}[{index}]", outer.path()),
        }
    }

    fn wrong(&self, message: impl Into<String>) -> Mismatch {
        Mismatch { path: self.path(), message: message.into() }
    }
}

impl<'s> Judge<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self { root, steps: 0, depth: 0 }
    }

    pub(super) fn check(mut self, value: &Value) -> Verdict {
        self.judge(self.root, value, &Place::Root)
    }

    fn judge(&mut self, schema: &'s Value, value: &Value, place: &Place<'_>) -> Verdict {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.depth >= MOST_DEPTH {
            return Ok(());
        }
        let schema = match schema {
            Value::Bool(false) => return Err(place.wrong("must not be there")),
            Value::Object(schema) => schema,
            _ => return Ok(()),
        };
        self.depth += 1;
        let verdict = self.judge_by(schema, value, place);
        self.depth -= 1;
        verdict
    }

    fn judge_by(
        &mut self,
        schema: &'s Map<String, Value>,
        value: &Value,
        place: &Place<'_>,
    ) -> Verdict {
        if let Some(Value::String(reference)) = schema.get("$ref")
            && let Some(target) = self.find(reference)
        {
            self.judge(target, value, place)?;
        }
        check_type(schema, value, place)?;
        check_choice(schema, value, place)?;
        match value {
            Value::Object(fields) => self.judge_object(schema, fields, place)?,
            Value::Array(items) => self.judge_array(schema, items, place)?,
            Value::String(text) => {
                let len = text.chars().count() as u64;
                check_count(schema, ("minLength", "maxLength"), len, "characters", place)?;
            }
            Value::Number(number) => check_range(schema, number, place)?,
            Value::Null | Value::Bool(_) => {}
        }
        for one in list(schema, "allOf") {
            self.judge(one, value, place)?;
        }
        self.judge_alternatives(schema, value, place)
    }

    /// A schema that this one refers to; only those in the same text are known.
    fn find(&self, reference: &str) -> Option<&'s Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn judge_object(
        &mut self,
        schema: &'s Map<String, Value>,
        fields: &Map<String, Value>,
        place: &Place<'_>,
    ) -> Verdict {
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(Place::Key(place, name).wrong("is missing"));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        // What a pattern allows is not judged.
        let others = others.filter(|_| !schema.contains_key("patternProperties"));
        for (name, value) in fields {
            let place = Place::Key(place, name);
            match (properties.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => self.judge(schema, value, &place)?,
                (None, Some(Value::Bool(false))) => {
                    let known: Vec<&str> =
                        properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    let known = known.join(", ");
                    return Err(place.wrong(format!("is unknown: there is {known}")));
                }
                (None, Some(schema)) => self.judge(schema, value, &place)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn judge_array(
        &mut self,
        schema: &'s Map<String, Value>,
        items: &[Value],
        place: &Place<'_>,
    ) -> Verdict {
        check_count(schema, ("minItems", "maxItems"), items.len() as u64, "items", place)?;
        let first = list(schema, "prefixItems");
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(index).or_else(|| schema.get("items")) {
                self.judge(schema, item, &Place::Index(place, index))?;
            }
        }
        Ok(())
    }

    fn judge_alternatives(
        &mut self,
        schema: &'s Map<String, Value>,
        value: &Value,
        place: &Place<'_>,
    ) -> Verdict {
        for (keyword, is_exclusive) in [("anyOf", false), ("oneOf", true)] {
            let all = list(schema, keyword);
            let mut fitting = 0;
            let mut wrong = Vec::new();
            for one in all {
                match self.judge(one, value, place) {
                    Ok(()) => fitting += 1,
                    Err(mismatch) => wrong.push(mismatch),
                }
                if fitting > 0 && !is_exclusive {
                    break;
                }
            }
            match fitting {
                0 if !all.is_empty() => return Err(nearest(wrong, place)),
                0 | 1 => {}
                _ => return Err(place.wrong("fits more than one of its forms: say which")),
            }
        }
        Ok(())
    }
}

/// Of what is wrong with each alternative, what is deepest in the value: there somebody meant it.
fn nearest(wrong: Vec<Mismatch>, place: &Place<'_>) -> Mismatch {
    let own = place.path().len();
    let deepest = wrong.iter().map(|one| one.path.len()).max().unwrap_or(0);
    if deepest > own
        && let Some(one) = wrong.iter().find(|one| one.path.len() == deepest)
    {
        return one.clone();
    }
    let mut messages: Vec<String> = wrong.into_iter().map(|one| one.message).collect();
    messages.dedup();
    place.wrong(messages.join(", or "))
}

fn list<'s>(schema: &'s Map<String, Value>, keyword: &str) -> &'s [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn check_type(schema: &Map<String, Value>, value: &Value, place: &Place<'_>) -> Verdict {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if types.iter().any(|word| is_of(value, word)) {
        return Ok(());
    }
    let wanted: Vec<String> = types.iter().map(|word| article(word)).collect();
    Err(place.wrong(format!("must be {}, not {}", wanted.join(" or "), shown(value))))
}

fn is_of(value: &Value, word: &str) -> bool {
    match word {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|x| x.fract() == 0.0)
        }
        // Of a later version.
        _ => true,
    }
}

fn article(word: &str) -> String {
    match word {
        "null" => "null".to_owned(),
        "integer" | "object" | "array" => format!("an {word}"),
        _ => format!("a {word}"),
    }
}

fn check_choice(schema: &Map<String, Value>, value: &Value, place: &Place<'_>) -> Verdict {
    if let Some(only) = schema.get("const").filter(|only| *only != value) {
        return Err(place.wrong(format!("must be {}, not {}", shown(only), shown(value))));
    }
    let allowed = list(schema, "enum");
    if allowed.is_empty() || allowed.contains(value) {
        return Ok(());
    }
    let all: Vec<String> = allowed.iter().map(shown).collect();
    Err(place.wrong(format!("must be one of {}, not {}", all.join(", "), shown(value))))
}

fn check_count(
    schema: &Map<String, Value>,
    (least, most): (&str, &str),
    found: u64,
    what: &str,
    place: &Place<'_>,
) -> Verdict {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    if let Some(least) = bound(least).filter(|least| found < *least) {
        return Err(place.wrong(format!("must have at least {least} {what}, has {found}")));
    }
    if let Some(most) = bound(most).filter(|most| found > *most) {
        return Err(place.wrong(format!("must have at most {most} {what}, has {found}")));
    }
    Ok(())
}

fn check_range(
    schema: &Map<String, Value>,
    number: &serde_json::Number,
    place: &Place<'_>,
) -> Verdict {
    let Some(found) = number.as_f64() else { return Ok(()) };
    let rules: [Range; 4] = [
        ("minimum", "at least", |found, bound| found >= bound),
        ("maximum", "at most", |found, bound| found <= bound),
        ("exclusiveMinimum", "more than", |found, bound| found > bound),
        ("exclusiveMaximum", "less than", |found, bound| found < bound),
    ];
    for (keyword, words, holds) in rules {
        let Some(stated) = schema.get(keyword).filter(|stated| stated.is_number()) else {
            continue;
        };
        if stated.as_f64().is_some_and(|bound| !holds(found, bound)) {
            return Err(place.wrong(format!("must be {words} {stated}, not {number}")));
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
