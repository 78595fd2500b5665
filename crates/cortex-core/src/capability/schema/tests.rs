use schemars::JsonSchema;
use serde_json::json;

use super::*;

/// What is wrong with a value, in words.
fn wrong(schema: &Value, value: &Value) -> Option<String> {
    Schema::of(schema).check(value).err().map(|mismatch| mismatch.to_string())
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described")]
struct Scan {
    hosts: Vec<Host>,
    mode: Mode,
    #[serde(default)]
    limit: Option<u8>,
    pair: (u32, String),
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only described")]
struct Host {
    name: String,
    port: u16,
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum Mode {
    /// Quickly.
    Fast,
    /// Slowly, with this many seconds between.
    Slow { pause: f64 },
}

#[test]
fn what_a_rust_type_takes_fits_its_schema_and_what_it_does_not_is_named() {
    let schema = schemars::schema_for!(Scan).to_value();
    let good = json!({
        "hosts": [{"name": "a", "port": 80}, {"name": "b", "port": 443}],
        "mode": {"slow": {"pause": 0.5}},
        "pair": [1, "x"],
    });
    assert_eq!(wrong(&schema, &good), None);
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        wrong(&schema, &changed).unwrap_or_default()
    };
    assert_eq!(with("/hosts/1/port", json!("x")), "hosts[1].port must be an integer, not \"x\"");
    assert_eq!(
        with("/hosts/1/port", json!(70_000)),
        "hosts[1].port must be at most 65535, not 70000"
    );
    assert_eq!(with("/hosts/0", json!({"name": "a"})), "hosts[0].port is missing");
    assert_eq!(with("/mode/slow/pause", json!(null)), "mode.slow.pause must be a number, not null");
    assert!(with("/mode", json!("medium")).starts_with("mode must be "));
    assert_eq!(with("/pair/1", json!(7)), "pair[1] must be a string, not 7");
    assert_eq!(with("", json!(7)), "it must be an object, not 7");
    let mut more = good.clone();
    more["limit"] = json!(300);
    assert_eq!(wrong(&schema, &more).unwrap(), "limit must be at most 255, not 300");
    more["limit"] = json!(null);
    assert_eq!(wrong(&schema, &more), None);
    more["hots"] = json!([]);
    let unknown = wrong(&schema, &more).unwrap();
    assert!(unknown.starts_with("hots is unknown: there is ") && unknown.contains("hosts"));
}

#[test]
fn choices_counts_and_alternatives_are_judged() {
    let one = |schema: Value, value: Value| wrong(&schema, &value).unwrap_or_default();
    assert_eq!(one(json!({"enum": ["a", 1]}), json!("b")), "it must be one of \"a\", 1, not \"b\"");
    assert_eq!(
        one(json!({"maxLength": 1}), json!("äö")),
        "it must have at most 1 characters, has 2"
    );
    assert_eq!(one(json!({"minItems": 1}), json!([])), "it must have at least 1 items, has 0");
    let either = json!({"anyOf": [{"type": "null"}, {"type": "string"}]});
    assert_eq!(one(either.clone(), json!(null)), "");
    assert_eq!(one(either, json!(1)), "it must be null, not 1, or must be a string, not 1");
    let both = json!({"oneOf": [{"type": "number"}, {"type": "integer"}]});
    assert_eq!(one(both.clone(), json!(1)), "it fits more than one of its forms: say which");
    assert_eq!(one(both, json!(1.5)), "");
    assert_eq!(one(json!({"exclusiveMinimum": 0}), json!(0)), "it must be more than 0, not 0");
    assert_eq!(one(json!(false), json!(0)), "it must not be there");
    assert_eq!(one(json!({"type": "integer"}), json!(3.0)), "");
}

#[test]
fn what_cannot_be_judged_is_let_through() {
    for schema in [
        json!({"pattern": "^a+$"}),
        json!({"type": "colour"}),
        json!({"$ref": "https://example.com/other"}),
        json!({"$ref": "#/nowhere"}),
        json!({"not": {"type": "string"}}),
        json!(true),
    ] {
        assert_eq!(wrong(&schema, &json!("b")), None, "{schema}");
    }
    assert_eq!(Schema::default().check(&json!([])), Ok(()));
}

#[test]
fn a_schema_that_never_ends_is_judged_in_bounded_time() {
    let endless = json!({"$ref": "#"});
    assert_eq!(wrong(&endless, &json!(1)), None);
    let wide =
        json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "allOf": [{"$ref": "#"}, {"$ref": "#"}]});
    assert_eq!(wrong(&wide, &json!(1)), None);
}

#[test]
fn a_schema_is_an_object_or_a_boolean() {
    assert_eq!(Schema::unread("[]").read(), Err(SchemaError::Kind));
    assert!(matches!(Schema::unread("{").read(), Err(SchemaError::Json(_))));
    assert_eq!(Schema::default().read(), Ok(json!(true)));
    let deep = "[".repeat(100_000);
    assert!(matches!(Schema::unread(deep).read(), Err(SchemaError::Json(_))));
}
