use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const NODE: NodeId = NodeId::from_bytes([2; 16]);
const USER: UserId = UserId::from_bytes([3; 16]);
const SESSION: TokenId = TokenId::from_bytes([4; 16]);
const IDENTITY: [u8; 32] = [5; 32];

fn tokens() -> Tokens {
    Tokens::new(&Vault::sample(NOW)).unwrap()
}

/// The key of [`Vault::sample`].
fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn node_token(tokens: &Tokens) -> String {
    tokens.issue_node(NODE, &IDENTITY, NODE_LIFE, NOW).unwrap().token.expose_secret().to_owned()
}

fn user_token(tokens: &Tokens, now: Timestamp) -> String {
    tokens.issue_user(USER, SESSION, now).unwrap().token.expose_secret().to_owned()
}

fn header() -> Value {
    json!({ "typ": "user+jwt", "alg": "EdDSA" })
}

fn claims() -> Value {
    let hub = HubId::from_bytes([1; 16]).to_string();
    json!({
        "iss": hub, "aud": format!("cortex:api:{hub}"), "sub": USER.to_string(),
        "exp": 1_700_000_600, "nbf": 1_700_000_000, "iat": 1_700_000_000,
        "iat_ms": 1_700_000_000_000_i64, "jti": "x", "sid": SESSION.to_string(),
    })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn forge(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).to_bytes());
    format!("{message}.{signature}")
}

fn code(result: Result<UserClaims>) -> &'static str {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
    error.code()
}

fn assert_refused(token: &str, what: &str) {
    assert_eq!(code(tokens().verify_user(token, NOW)), "token_invalid", "{what}");
}

#[test]
fn tokens_say_who_and_until_when() {
    let tokens = tokens();
    let issued = tokens.issue_node(NODE, &IDENTITY, NODE_LIFE, NOW).unwrap();
    assert_eq!(issued.expires_at, NOW + NODE_LIFE);
    let node = tokens.verify_node(issued.token.expose_secret(), NOW).unwrap();
    assert_eq!((node.node, node.key), (NODE, KeyThumbprint::of(&IDENTITY)));
    assert_ne!(node.key, KeyThumbprint::of(&[6; 32]));
    let user = tokens.verify_user(&user_token(&tokens, NOW), NOW).unwrap();
    assert_eq!((user.user, user.session), (USER, SESSION));
    assert_eq!(user.times.expires_at, NOW + USER_LIFE);
    assert_ne!(node_token(&tokens), node_token(&tokens));
}

#[test]
fn a_thumbprint_is_that_of_rfc_8037() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key: [u8; 32] = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
    assert_eq!(KeyThumbprint::of(&key).to_text(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn row_45_neither_class_opens_the_others_api() {
    let tokens = tokens();
    let (node, user) = (node_token(&tokens), user_token(&tokens, NOW));
    // Both orders: a remembered token must not slip through either.
    for _ in 0..2 {
        assert_eq!(code(tokens.verify_user(&node, NOW)), "token_invalid");
        assert_eq!(tokens.verify_node(&user, NOW).unwrap_err().code(), "token_invalid");
        tokens.verify_node(&node, NOW).unwrap();
        tokens.verify_user(&user, NOW).unwrap();
    }
}

#[test]
fn times_are_judged_by_the_callers_clock_also_of_a_remembered_token() {
    let tokens = tokens();
    let token = user_token(&tokens, NOW);
    let tick = Duration::from_millis(1);
    let end = NOW + USER_LIFE + LEEWAY;
    for _ in 0..2 {
        assert_eq!(code(tokens.verify_user(&token, NOW - LEEWAY - tick)), "token_invalid");
        tokens.verify_user(&token, NOW - LEEWAY).unwrap();
        tokens.verify_user(&token, end - tick).unwrap();
        assert_eq!(code(tokens.verify_user(&token, end)), "token_expired");
    }
}

#[test]
fn a_forged_token_of_the_right_shape_would_be_good() {
    // Without this, the refusals below would prove nothing.
    let claims = tokens().verify_user(&forge(&header(), &claims(), &key()), NOW).unwrap();
    assert_eq!((claims.user, claims.session), (USER, SESSION));
}

#[test]
fn row_45_other_algorithms_types_and_keys_are_refused() {
    let none = json!({ "typ": "user+jwt", "alg": "none" });
    assert_refused(&format!("{}.{}.", part(&none), part(&claims())), "alg none");
    assert_refused(&forge(&none, &claims(), &key()), "alg none with a signature");

    let hs256 = json!({ "typ": "user+jwt", "alg": "HS256" });
    let message = format!("{}.{}", part(&hs256), part(&claims()));
    let public = EncodingKey::from_secret(key().verifying_key().as_bytes());
    let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &public, Algorithm::HS256).unwrap();
    assert_refused(&format!("{message}.{mac}"), "HS256 with the public key");

    for typ in [json!("node+jwt"), json!("JWT"), json!("USER+JWT"), Value::Null] {
        let header = json!({ "typ": typ, "alg": "EdDSA" });
        assert_refused(&forge(&header, &claims(), &key()), "typ");
    }
    assert_refused(&forge(&json!({ "alg": "EdDSA" }), &claims(), &key()), "no typ");
    let other = SigningKey::from_bytes(&[10; 32]);
    assert_refused(&forge(&header(), &claims(), &other), "another key");
}

#[test]
fn row_45_missing_and_misshapen_claims_are_refused() {
    for name in ["iss", "aud", "sub", "exp", "nbf", "iat", "iat_ms", "jti", "sid"] {
        for bad in [None, Some(Value::Null), Some(json!([])), Some(json!({}))] {
            let mut claims = claims();
            let fields = claims.as_object_mut().unwrap();
            match &bad {
                Some(value) => fields.insert(name.to_owned(), value.clone()),
                None => fields.remove(name),
            };
            assert_refused(&forge(&header(), &claims, &key()), &format!("{name} {bad:?}"));
        }
    }
    let hub = HubId::from_bytes([1; 16]).to_string();
    let other = HubId::from_bytes([2; 16]).to_string();
    for (name, value) in [
        ("exp", json!("1700000600")),
        ("exp", json!(1_700_000_600.5)),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("nbf", json!("1700000000")),
        ("iss", json!(other)),
        ("iss", json!([hub])),
        ("aud", json!(format!("cortex:api:{other}"))),
        ("aud", json!(format!("cortex:node:{hub}"))),
        ("aud", json!([format!("cortex:api:{hub}")])),
        ("sub", json!(NODE.to_string())),
        ("sid", json!("4")),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert_refused(&forge(&header(), &claims, &key()), name);
    }
}

#[test]
fn row_45_a_token_does_not_say_where_its_key_is() {
    let mine = SigningKey::from_bytes(&[10; 32]);
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(mine.verifying_key().as_bytes()),
    });
    for (name, value) in [
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("https://evil.example/key")),
        ("kid", json!("' UNION SELECT 'key")),
        ("jku", json!("https://evil.example/keys.json")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("jwk", jwk),
    ] {
        let mut header = header();
        header[name] = value;
        assert_refused(&forge(&header, &claims(), &mine), name);
    }
}

#[test]
fn a_changed_token_is_refused() {
    let tokens = tokens();
    let token = user_token(&tokens, NOW);
    tokens.verify_user(&token, NOW).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(tokens.verify_user(&changed, NOW).is_err(), "{at}");
    }
    let long = format!("{token}{}", "A".repeat(MAX_LEN));
    assert_eq!(code(tokens.verify_user(&long, NOW)), "token_invalid");
}

#[test]
fn a_revocation_ends_what_was_issued_before_it() {
    let tokens = tokens();
    let (user, node) = (user_token(&tokens, NOW), node_token(&tokens));
    tokens.verify_user(&user, NOW).unwrap();
    tokens.verify_node(&node, NOW).unwrap();
    tokens.revoke(Holder::Session(SESSION), NOW);
    assert_eq!(code(tokens.verify_user(&user, NOW)), "token_revoked");
    tokens.verify_node(&node, NOW).unwrap();
    tokens.revoke(Holder::Node(NODE), NOW);
    assert_eq!(tokens.verify_node(&node, NOW).unwrap_err().code(), "token_revoked");

    let later = NOW + Duration::from_millis(1);
    let other = tokens.issue_user(USER, TokenId::from_bytes([8; 16]), NOW).unwrap();
    tokens.verify_user(other.token.expose_secret(), NOW).unwrap();
    tokens.revoke(Holder::User(USER), NOW);
    assert_eq!(code(tokens.verify_user(other.token.expose_secret(), NOW)), "token_revoked");
    tokens.verify_user(&user_token(&tokens, later), later).unwrap();
}

#[test]
fn another_hub_with_the_same_key_is_another_issuer() {
    let mut vault = Vault::sample(NOW);
    let token = user_token(&tokens(), NOW);
    vault.hub = HubId::from_bytes([2; 16]);
    assert_eq!(code(Tokens::new(&vault).unwrap().verify_user(&token, NOW)), "token_invalid");
}

proptest! {
    #[test]
    fn nonsense_is_refused(token in "(ey[A-Za-z0-9_-]{0,40}[.]){0,3}\\PC{0,40}") {
        prop_assert!(tokens().verify_user(&token, NOW).is_err());
    }
}
