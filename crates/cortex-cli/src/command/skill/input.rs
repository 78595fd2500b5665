//! The input of a call, as JSON or made of `key=value` fields.

use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::ErrorKind;
use cortex_proto::json::FileDraft;
use cortex_proto::json::Text;
use serde_json::Map;
use serde_json::Value;

use super::form::resolved;
use crate::args::value::Pair;
use crate::exit::Failure;
use crate::exit::Result;

/// The longest input that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads `--input`: JSON, `@FILE`, or `-` for standard input.
///
/// # Errors
/// It cannot be read, or is no JSON.
pub(super) fn read(given: &str) -> Result<Value> {
    let text = match (given, given.strip_prefix('@')) {
        ("-", _) => {
            let mut text = String::new();
            let read = std::io::stdin().take(MAX_BYTES + 1).read_to_string(&mut text);
            read.map_err(|error| {
                Failure::new(ErrorKind::Internal, format!("cannot read standard input: {error}"))
            })?;
            text
        }
        (_, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| Failure::file("read", Path::new(file), &error))?,
        (json, None) => json.to_owned(),
    };
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("--input is no JSON: {error}")))
}

/// Reads the files that come with a call, each under the last part of its path.
///
/// # Errors
/// One cannot be read, or has no name.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<FileDraft>> {
    let draft = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::usage(format!("{} has no name that can be sent", path.display()))
        })?;
        let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
        Ok(FileDraft { name: name.to_owned(), content: Text::of(&bytes) })
    };
    paths.iter().map(draft).collect()
}

/// Makes an object of fields, typed as the schema says. No fields at all are an empty object, or
/// `null` where the skill takes none.
///
/// # Errors
/// A field is given twice and is no list, or its text is not of the type that the skill wants.
pub(super) fn of_fields(fields: &[Pair], schema: Option<&Value>) -> Result<Value> {
    let takes = |word: &str| schema.is_some_and(|schema| allows(schema, schema, word));
    if fields.is_empty() && takes("null") && !takes("object") {
        return Ok(Value::Null);
    }
    if !fields.is_empty() && schema.is_some_and(is_typed) && !takes("object") {
        return Err(Failure::usage("this skill takes no fields")
            .or_hint("give its input as JSON: --input, and see cortex-cli skill show"));
    }
    let mut object = Map::new();
    for Pair { key, value } in fields {
        let known = schema.and_then(|schema| schema.get("properties")?.get(key));
        let of = |property| (property, schema.unwrap_or(&Value::Null));
        let is_list = known.is_some_and(|property| {
            let (property, root) = of(property);
            allows(property, root, "array") && !value.trim_start().starts_with('[')
        });
        if is_list {
            let (property, root) = of(known.unwrap_or(&Value::Null));
            let items = resolved(property, root).get("items");
            let item = typed(key, value, items.map(|items| (items, root)))?;
            match object.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(items) => items.push(item),
                _ => return Err(twice(key)),
            }
            continue;
        }
        let value = typed(key, value, known.map(of))?;
        if object.insert(key.clone(), value).is_some() {
            return Err(twice(key));
        }
    }
    Ok(Value::Object(object))
}

fn twice(key: &str) -> Failure {
    Failure::usage(format!("{key} is given twice and is no list"))
}

/// The text as what the schema wants; where nobody says, as JSON if it is some, else as text.
fn typed(key: &str, text: &str, schema: Option<(&Value, &Value)>) -> Result<Value> {
    let Some((schema, root)) = schema.filter(|(schema, root)| is_typed(resolved(schema, root)))
    else {
        return Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())));
    };
    let may_be_text = allows(schema, root, "string");
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let fits = |value: &Value| allows(schema, root, word_of(value));
    match parsed.filter(fits) {
        // A text in quotes is meant with them: `name="a"` was typed so in a shell on purpose.
        Some(Value::String(_)) | None if may_be_text => Ok(Value::String(text.to_owned())),
        Some(value) => Ok(value),
        None => {
            let wanted: Vec<&str> =
                WORDS.into_iter().filter(|word| allows(schema, root, word)).collect();
            let wanted = wanted.join(" or ");
            Err(Failure::usage(format!("{key} must be of type {wanted}, not {text:?}")))
        }
    }
}

const WORDS: [&str; 6] = ["object", "array", "string", "number", "boolean", "null"];

fn word_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether the schema says anything about types.
fn is_typed(schema: &Value) -> bool {
    ["type", "enum", "const", "anyOf", "oneOf", "$ref"]
        .iter()
        .any(|word| schema.get(word).is_some())
}

/// Whether a schema lets values of a type through. What it does not restrict, it lets through.
fn allows(schema: &Value, root: &Value, word: &str) -> bool {
    let schema = resolved(schema, root);
    let is_it = |stated: &str| stated == word || (stated == "integer" && word == "number");
    match schema.get("type") {
        Some(Value::String(stated)) => return is_it(stated),
        Some(Value::Array(all)) => return all.iter().filter_map(Value::as_str).any(is_it),
        _ => {}
    }
    if let Some(only) = schema.get("const") {
        return word_of(only) == word;
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        return all.iter().any(|one| word_of(one) == word);
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(all) = schema.get(keyword).and_then(Value::as_array) {
            return all.iter().any(|one| !std::ptr::eq(one, root) && allows(one, root, word));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pairs(fields: &[(&str, &str)]) -> Vec<Pair> {
        let pair =
            |(key, value): &(&str, &str)| Pair { key: (*key).into(), value: (*value).into() };
        fields.iter().map(pair).collect()
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "host": {"type": "string"},
                "count": {"type": ["integer", "null"]},
                "fast": {"type": "boolean"},
                "ports": {"type": "array", "items": {"type": "integer"}},
                "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            },
        })
    }

    fn read_as(fields: &[(&str, &str)]) -> Result<Value> {
        of_fields(&pairs(fields), Some(&schema()))
    }

    #[test]
    fn fields_get_the_types_that_the_skill_wants() {
        let fields =
            [("host", "10"), ("count", "3"), ("fast", "true"), ("ports", "80"), ("ports", "443")];
        let expected = json!({"host": "10", "count": 3, "fast": true, "ports": [80, 443]});
        assert_eq!(read_as(&fields).unwrap(), expected);
        assert_eq!(read_as(&[("ports", "[1,2]")]).unwrap(), json!({"ports": [1, 2]}));
        assert_eq!(read_as(&[("count", "null")]).unwrap(), json!({"count": null}));
        assert_eq!(read_as(&[("either", "7")]).unwrap(), json!({"either": 7}));
        assert_eq!(read_as(&[("either", "x")]).unwrap(), json!({"either": "x"}));
        assert_eq!(read_as(&[("host", "\"a\"")]).unwrap(), json!({"host": "\"a\""}));
        assert_eq!(read_as(&[]).unwrap(), json!({}));
    }

    #[test]
    fn what_does_not_fit_is_told_by_name() {
        let error = read_as(&[("count", "many")]).unwrap_err();
        assert_eq!(error.message(), "count must be of type number or null, not \"many\"");
        assert!(read_as(&[("fast", "1")]).unwrap_err().message().contains("boolean"));
        assert!(read_as(&[("host", "a"), ("host", "b")]).unwrap_err().message().contains("twice"));
        let list = json!({"type": "array"});
        assert!(of_fields(&pairs(&[("a", "1")]), Some(&list)).is_err());
    }

    #[test]
    fn where_nobody_says_a_type_json_is_json_and_the_rest_is_text() {
        let fields = pairs(&[("a", "1"), ("b", "x y"), ("c", "[1]")]);
        let expected = json!({"a": 1, "b": "x y", "c": [1]});
        assert_eq!(of_fields(&fields, None).unwrap(), expected);
        assert_eq!(of_fields(&[], Some(&json!({"type": "null"}))).unwrap(), Value::Null);
    }
}
