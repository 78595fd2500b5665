//! What a skill takes and returns, in words.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::SkillInfo;
use serde_json::Value;

use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

/// So deep a schema is followed.
const MOST_DEPTH: u32 = 8;

/// One field of a skill's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    name: String,
    kind: String,
    is_needed: bool,
    meaning: String,
}

impl Row for Field {
    const TITLES: &'static [&'static str] = &["FIELD", "TYPE", "NEEDED", "MEANING"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.name),
            Cell::plain(&self.kind),
            Cell::plain(if self.is_needed { "yes" } else { "no" }),
            Cell::plain(&self.meaning),
        ]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        Vec::new()
    }

    fn key(&self) -> &str {
        &self.name
    }
}

/// What a skill takes and returns, each on a line.
pub(super) fn details(skill: &SkillInfo) -> Vec<(&'static str, Cell)> {
    let word = |schema: &Option<Value>| match schema {
        Some(schema) => Cell::plain(kind(schema, schema, 0)),
        None => Cell::new("not said", Tone::Dim),
    };
    vec![("Takes", word(&skill.input)), ("Returns", word(&skill.output))]
}

/// The fields of an input that is an object; nothing for others.
pub(super) fn fields(schema: Option<&Value>) -> Vec<Field> {
    let Some(schema) = schema else { return Vec::new() };
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let needed: Vec<&str> = needed(schema);
    let field = |(name, property): (&String, &Value)| {
        let mut meaning = text(property, "description");
        if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
            meaning = format!("{meaning} [default: {default}]").trim_start().to_owned();
        }
        Field {
            name: name.clone(),
            kind: kind(property, schema, 0),
            is_needed: needed.contains(&name.as_str()),
            // Comments of a Rust type come with their line breaks.
            meaning: meaning.replace('\n', " "),
        }
    };
    let mut fields: Vec<Field> = properties.iter().map(field).collect();
    fields.sort_by_key(|field| !field.is_needed);
    fields
}

fn needed(schema: &Value) -> Vec<&str> {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text(schema: &Value, keyword: &str) -> String {
    schema.get(keyword).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The schema that `schema` refers to, or itself.
pub(super) fn resolved<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let mut schema = schema;
    for _ in 0..MOST_DEPTH {
        let reference = schema.get("$ref").and_then(Value::as_str);
        match reference.and_then(|text| root.pointer(text.strip_prefix('#')?)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// What a schema allows, in a few words.
fn kind(schema: &Value, root: &Value, depth: u32) -> String {
    let schema = resolved(schema, root);
    if depth >= MOST_DEPTH {
        return "…".to_owned();
    }
    if let Some(only) = schema.get("const") {
        return only.to_string();
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        return all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(all) = schema.get(keyword).and_then(Value::as_array) {
            let mut kinds: Vec<_> = all.iter().map(|one| kind(one, root, depth + 1)).collect();
            kinds.dedup();
            return kinds.join(" | ");
        }
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return "anything".to_owned(),
    };
    let kind = |word: &&str| match (*word, schema.get("items")) {
        ("array", Some(items)) => format!("list of {}", kind(items, root, depth + 1)),
        ("array", None) => "list".to_owned(),
        ("string", _) => "text".to_owned(),
        (word, _) => word.to_owned(),
    };
    types.iter().map(kind).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_told_in_words_those_that_are_needed_first() {
        let schema = json!({
            "type": "object",
            "properties": {
                "count": {"type": ["integer", "null"], "description": "How often.", "default": 3},
                "host": {"type": "string", "description": "Where\nto."},
                "mode": {"$ref": "#/$defs/Mode"},
                "ports": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["host"],
            "$defs": {"Mode": {"oneOf": [{"const": "fast"}, {"enum": ["slow"]}]}},
        });
        let rows = fields(Some(&schema));
        let row = |name: &str| rows.iter().find(|field| field.name == name).unwrap();
        assert_eq!(rows[0].name, "host");
        assert_eq!(
            (row("host").kind.as_str(), row("host").meaning.as_str()),
            ("text", "Where to.")
        );
        assert_eq!(row("count").kind, "integer | null");
        assert_eq!(row("count").meaning, "How often. [default: 3]");
        assert_eq!(row("mode").kind, "\"fast\" | \"slow\"");
        assert_eq!(row("ports").kind, "list of integer");
        assert!(fields(Some(&json!({"type": "array"}))).is_empty() && fields(None).is_empty());
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let schema = json!({"$ref": "#"});
        assert_eq!(kind(&schema, &schema, 0), "anything");
        let nested = json!({"type": "array", "items": {"$ref": "#"}});
        assert!(kind(&nested, &nested, 0).ends_with('…'));
    }
}
