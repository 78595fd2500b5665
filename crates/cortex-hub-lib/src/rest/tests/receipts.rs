//! What nodes countersign: believed where it is right, the node's fault where it is not.

use axum::body::Bytes;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cortex_core::chain::Head;
use cortex_core::digest::Digest;
use cortex_core::id::HubId;
use cortex_core::id::SessionId;
use cortex_core::receipt;
use cortex_core::receipt::Output;
use cortex_core::receipt::Receipt;
use cortex_core::task::Outcome;
use cortex_proto::json::ExportLine;
use ed25519_dalek::SigningKey;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;
use super::rig::until;
use crate::link::CloseReason;

const DISPATCH: &str = "/api/sessions/default/dispatch";

#[tokio::test]
async fn a_receipt_that_states_something_else_is_refused() {
    type Bend = fn(&mut Receipt);
    let bends: [(&str, Bend); 7] = [
        ("another hub", |receipt| receipt.hub = HubId::from_bytes([9; 16])),
        ("another session", |receipt| receipt.session = SessionId::from_bytes([9; 16])),
        ("another attempt", |receipt| receipt.attempt = 2),
        ("another amount", |receipt| receipt.output = Output::none()),
        ("another amount", |receipt| {
            let Output::Known { stdout, .. } = &mut receipt.output else { return };
            stdout.len += 1;
        }),
        ("leaves out", |receipt| receipt.output = Output::Forgotten),
        ("signature", |_| ()),
    ];
    for (words, bend) in bends {
        let rig = Rig::start().await;
        let mut node = rig.node("lab").await;
        let body = json!({"argv": ["ls"], "node": "lab"});
        let id = rig.call("POST", DISPATCH, Some(body)).await.json()["id"].clone();
        let task = node.task().await;
        node.start(&task).await;
        node.write(&task, 0, b"hi\n").await;
        let path = format!("/api/tasks/{}", id.as_str().unwrap());
        until(async || rig.get(&path).await.json()["output"]["stdout_bytes"] == 3).await;
        let mut receipt = node.receipt(&task, &Outcome::Exited { code: 0 });
        bend(&mut receipt);
        let stranger = SigningKey::from_bytes(&[1; 32]);
        let key = if words == "signature" { &stranger } else { node.key() };
        let signed = receipt.sign(key);
        node.end_with(&task, 0, signed).await;
        let reason = node.cut_off().await;
        assert!(
            matches!(&reason, CloseReason::Protocol(fault) if fault.contains(words)),
            "{words}: {reason:?}"
        );
        let stored = rig.get(&path).await;
        assert_eq!(stored.json()["state"], "running", "{words}: nothing of it was taken");
        rig.stop().await;
    }
}

#[tokio::test]
async fn receipts_are_chained_and_exported_with_the_output_they_speak_of() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    for number in 0..3 {
        let body = json!({"argv": ["ls"], "node": "lab"});
        rig.call("POST", DISPATCH, Some(body)).await;
        let task = node.task().await;
        node.start(&task).await;
        node.write(&task, 0, b"hi\n").await;
        node.end(&task, number).await;
        let path = format!("/api/tasks/{}?wait=20", task.id);
        assert_eq!(rig.get(&path).await.json()["exit_code"], number);
    }
    let export = rig.get("/api/sessions/default/receipts?output=true").await;
    assert_eq!(export.status, StatusCode::OK, "{export:?}");
    let text = std::str::from_utf8(&export.body).unwrap();
    let lines: Vec<ExportLine> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ExportLine::Receipts { session, end, output: true, .. } = &lines[0] else {
        panic!("{text}");
    };
    let decode = |text: &str| Bytes::from(STANDARD.decode(text).unwrap());
    let mut chain = receipt::chain_of(session.parse().unwrap());
    let (mut nodes, mut outputs) = (0, 0);
    for line in &lines[1..] {
        match line {
            ExportLine::Node { id, identity, from: Some(_), until: None } => {
                nodes += 1;
                assert_eq!(id, &node.id.to_string());
                let key = Digest::from_bytes(node.key().verifying_key().to_bytes());
                assert_eq!(identity, &key.to_string());
            }
            ExportLine::Receipt { statement, signature, .. } => {
                let (statement, signature) = (decode(statement), decode(signature));
                chain = receipt::Signed { statement, signature }.extend(chain);
            }
            ExportLine::Output { data, .. } => {
                outputs += 1;
                assert_eq!(decode(data), &b"hi\n"[..]);
            }
            other => panic!("{other:?}"),
        }
    }
    let end = Head { count: end.count, digest: end.digest.parse().unwrap() };
    assert_eq!((chain, end.count, nodes, outputs), (end, 3, 1, 3));
    let other = rig.user("other", "member", &["read"]).await;
    let path = format!("/api/sessions/{session}/receipts");
    let hidden = rig.send(request("GET", &path, Some(&other), None)).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    rig.stop().await;
}
