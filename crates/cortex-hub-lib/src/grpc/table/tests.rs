//! Every call that there is has a rule, and every rule is held to: generated from the descriptors.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::audit::Record;
use cortex_core::id::NodeId;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_proto::DESCRIPTOR_SET;
use http_body_util::BodyExt as _;
use prost::Message as _;
use prost_types::DescriptorProto;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use secrecy::ExposeSecret as _;
use tonic::Code;
use tower::ServiceExt as _;

use super::*;
use crate::AuditFilter;
use crate::HubBuilder;
use crate::clock;
use crate::trust::token::NODE_LIFE;

const OWN: NodeId = NodeId::from_bytes([1; 16]);
const OTHER: NodeId = NodeId::from_bytes([2; 16]);
const IDENTITY: [u8; 32] = [3; 32];

/// A call as the descriptors have it.
#[derive(Debug)]
struct Described {
    path: String,
    /// The number of its request's field `node_id`.
    node_id: Option<i32>,
    /// How many fields its request has.
    fields: i32,
    /// Which of them are numbers.
    numbers: Vec<i32>,
    /// It is answered with a challenge.
    gives_challenge: bool,
}

struct Rig {
    hub: Hub,
    router: Router,
    _driver: crate::Driver,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let built = HubBuilder::default().data_dir(folder.path()).build(&nodes).await;
        let (hub, driver) = built.unwrap();
        let router = crate::grpc::routes(&hub).await.unwrap().into_axum_router();
        Self { hub, router, _driver: driver, _folder: folder }
    }

    /// Makes a call with one message and returns what it ends with.
    async fn call(&self, path: &str, token: Option<&str>, message: &[u8]) -> Code {
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message);
        let mut request = HttpRequest::builder()
            .method("POST")
            .uri(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let limit = Duration::from_secs(20);
        let body = tokio::time::timeout(limit, body.collect()).await.expect("it ends").unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = parts.headers.get("grpc-status").or(trailers.get("grpc-status"));
        Code::from_bytes(status.expect("a status").as_bytes())
    }

    fn node_token(&self, issued_ago: Duration) -> String {
        let tokens = self.hub.trust().tokens();
        let issued =
            tokens.issue_node(OWN, &IDENTITY, NODE_LIFE, clock::now() - issued_ago).unwrap();
        issued.token.expose_secret().to_owned()
    }
}

fn described() -> Vec<Described> {
    let sets = [
        DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ];
    let sets = sets.map(|set| FileDescriptorSet::decode(set).unwrap());
    let files: Vec<_> = sets.into_iter().flat_map(|set| set.file).collect();
    let mut messages: BTreeMap<String, &DescriptorProto> = BTreeMap::new();
    for file in &files {
        for message in &file.message_type {
            messages.insert(format!(".{}.{}", file.package(), message.name()), message);
        }
    }
    let mut calls = Vec::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let fields = &messages[method.input_type()].field;
                let node_id = fields.iter().find(|field| field.name() == "node_id");
                let answer = &messages[method.output_type()].field;
                let texts = [Type::String, Type::Bytes, Type::Message];
                let numbers = fields.iter().filter(|field| !texts.contains(&field.r#type()));
                calls.push(Described {
                    path: format!("/{}.{}/{}", file.package(), service.name(), method.name()),
                    node_id: node_id.map(|field| field.number()),
                    fields: fields.iter().map(|field| field.number()).max().unwrap_or(0),
                    numbers: numbers.map(|field| field.number()).collect(),
                    gives_challenge: answer.iter().any(|field| field.name() == "challenge"),
                });
            }
        }
    }
    calls.sort_by(|left, right| left.path.cmp(&right.path));
    calls
}

fn node_calls() -> impl Iterator<Item = Described> {
    described().into_iter().filter(|call| is_nodes(&call.path))
}

fn is_nodes(path: &str) -> bool {
    CALLS.contains(&(path, Rule::Node))
}

#[test]
fn every_call_of_the_descriptors_has_a_rule_and_nothing_else_has() {
    let described: Vec<_> = described().into_iter().map(|call| call.path).collect();
    let ruled: Vec<_> = CALLS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(ruled, described, "enter new calls in CALLS, with who may make them");
}

#[tokio::test]
async fn row_06_no_call_speaks_for_another_node_than_its_own() {
    let rig = Rig::start().await;
    let token = rig.node_token(Duration::ZERO);
    let mut asked = 0;
    for call in node_calls() {
        let Some(field) = call.node_id else { continue };
        let key = u8::try_from(field << 3 | 2).expect("a low number");
        for claimed in [OTHER.to_string(), String::new(), "nod_nonsense".to_owned()] {
            let mut message = vec![key, u8::try_from(claimed.len()).unwrap()];
            message.extend(claimed.as_bytes());
            let code = rig.call(&call.path, Some(&token), &message).await;
            assert_eq!(code, Code::PermissionDenied, "{} {claimed}", call.path);
        }
        asked += 1;
    }
    assert_eq!(asked, 2, "a new call that names a node is asked too; count it here");
}

/// Those who have no token name a node too: they get a challenge, or have to prove that they are it.
#[tokio::test]
async fn row_06_without_a_token_nobody_is_taken_for_a_node() {
    let rig = Rig::start().await;
    let mut proofs = 0;
    for call in described() {
        let Some(field) = call.node_id.filter(|_| !is_nodes(&call.path)) else { continue };
        // The node, and 32 bytes for whatever else is asked for; none of it is a signature.
        let text = OTHER.to_string();
        let mut message = Vec::new();
        for number in 1..=call.fields {
            let value = if number == field { text.as_bytes() } else { &[7; 32] };
            if call.numbers.contains(&number) {
                continue;
            }
            message.push(u8::try_from(number << 3 | 2).expect("a low number"));
            message.push(u8::try_from(value.len()).unwrap());
            message.extend(value);
        }
        let code = rig.call(&call.path, None, &message).await;
        let expected = if call.gives_challenge { Code::Ok } else { Code::Unauthenticated };
        assert_eq!(code, expected, "{}", call.path);
        proofs += u32::from(!call.gives_challenge);
    }
    assert_eq!(proofs, 3, "a new call that asks for a proof is asked too; count it here");
}

/// What anybody can cause is recorded, but does not fill the disk.
#[tokio::test]
async fn garbage_instead_of_tokens_is_recorded_within_bounds() {
    let rig = Rig::start().await;
    let call = "/cortex.v1.AgentOrchestrator/SyncConfiguration";
    for _ in 0..200 {
        assert_eq!(rig.call(call, Some("garbage"), &[]).await, Code::Unauthenticated);
        // That somebody has no token at all is no news.
        assert_eq!(rig.call(call, None, &[]).await, Code::Unauthenticated);
    }
    let admin = Principal::full(UserId::from_bytes([9; 16]), Role::Admin);
    let filter = AuditFilter { limit: 500, ..AuditFilter::default() };
    let records = rig.hub.audit(&admin, filter).await.unwrap();
    let is_refusal = |record: &&Record| record.action == Action::AccessRefuse;
    let words: Vec<_> = records.iter().filter(is_refusal).map(|record| &record.detail).collect();
    // 60 at once, and one a second after that.
    assert!((60..120).contains(&words.len()), "{}", words.len());
    assert!(words.iter().all(|word| word.starts_with("token_invalid")), "{words:?}");
}

#[tokio::test]
async fn row_07_no_node_call_answers_without_a_good_token() {
    let rig = Rig::start().await;
    let session = TokenId::from_bytes([4; 16]);
    let tokens = rig.hub.trust().tokens();
    let user = tokens.issue_user(UserId::from_bytes([5; 16]), session, clock::now()).unwrap();
    let expired = rig.node_token(Duration::from_secs(3600));
    let good = rig.node_token(Duration::ZERO);
    // The last letter of a signature has bits that mean nothing; one further in has none.
    let (head, tail) = good.split_at(good.len() - 10);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}{other}{}", &tail[1..]);
    let bad = [
        None,
        Some("garbage"),
        Some("eyJhbGciOiJub25lIn0.e30."),
        Some("cxt1.tok_00000000000000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        Some(expired.as_str()),
        Some(forged.as_str()),
        Some(user.token.expose_secret()),
    ];
    let mut asked = 0;
    for call in node_calls() {
        for token in bad {
            let code = rig.call(&call.path, token, &[]).await;
            assert_eq!(code, Code::Unauthenticated, "{} {token:?}", call.path);
            asked += 1;
        }
    }
    assert_eq!(asked, 3 * bad.len());
    let unknown = rig.call("/cortex.v1.AgentOrchestrator/Nothing", Some(&good), &[]).await;
    assert_eq!(unknown, Code::Unimplemented);
}
