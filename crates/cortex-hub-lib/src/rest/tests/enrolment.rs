//! Admission by its second door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cortex_core::ErrorKind;
use cortex_core::proof;
use cortex_core::proof::EnrolmentClaim;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use futures::future::join_all;
use rcgen::CertificateParams;
use rcgen::KeyPair;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Barrier;

use super::rig::Answer;
use super::rig::Rig;
use super::rig::request;
use crate::hub::Applicant;
use crate::hub::InviteDraft;
use crate::hub::IssuedInvite;
use crate::trust::invites::InviteToken;

const CHALLENGE: &str = "/api/nodes/cert-request/challenge";
pub(super) const FINISH: &str = "/api/nodes/cert-request";

/// A machine that wants to become a node.
pub(super) struct Machine {
    pub(super) key: SigningKey,
    csr: Vec<u8>,
}

impl Machine {
    pub(super) fn new(seed: u8) -> Self {
        let request = CertificateParams::default().serialize_request(&KeyPair::generate().unwrap());
        let csr = request.unwrap().der().to_vec();
        Self { key: SigningKey::from_bytes(&[seed; 32]), csr }
    }

    fn identity(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, rig: &Rig, token: &InviteToken, challenge: &[u8; 32]) -> Vec<u8> {
        let claim = EnrolmentClaim {
            hub: rig.hub.id(),
            invite: token.id,
            challenge,
            csr: &self.csr,
            identity: &self.identity(),
            host_name: "machine",
        };
        self.key.sign(&proof::enrolment(&claim)).to_vec()
    }

    /// What it sends to use an invite.
    pub(super) async fn body(&self, rig: &Rig, token: &str) -> Value {
        let parsed: InviteToken = token.parse().unwrap();
        let asked = json!({ "invite": parsed.id.to_string() });
        let asked = rig.send(request("POST", CHALLENGE, None, Some(asked))).await;
        assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
        let challenge = asked.json()["challenge"].as_str().unwrap().to_owned();
        let bytes: [u8; 32] = STANDARD.decode(&challenge).unwrap().try_into().unwrap();
        json!({
            "token": token,
            "challenge": challenge,
            "csr": STANDARD.encode(&self.csr),
            "identity_key": STANDARD.encode(self.identity()),
            "signature": STANDARD.encode(self.sign(rig, &parsed, &bytes)),
            "host_name": "machine",
        })
    }

    pub(super) async fn enrol(&self, rig: &Rig, token: &str) -> Answer {
        let body = self.body(rig, token).await;
        rig.send(request("POST", FINISH, None, Some(body))).await
    }
}

pub(super) async fn issue(rig: &Rig, life: Option<Duration>) -> IssuedInvite {
    let draft = InviteDraft { name: "lab".into(), life, ..InviteDraft::default() };
    rig.hub.invite(&rig.principal().await, draft, None).await.unwrap()
}

#[tokio::test]
async fn a_machine_without_grpc_gets_a_node_and_its_certificate() {
    let rig = Rig::start().await;
    let issued = issue(&rig, None).await;
    let token = issued.token.expose_secret();
    let machine = Machine::new(1);
    let first = machine.enrol(&rig, token).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_eq!(first.headers["cache-control"], "no-store");
    let first = first.json();
    assert_eq!((&first["name"], &first["generation"]), (&json!("lab"), &json!(1)));
    assert_eq!(first["certificate"].as_str().unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(first["certificate_life_ms"], 24 * 3600 * 1000);
    // The answer was lost: the same machine asks again.
    let again = machine.enrol(&rig, token).await.json();
    assert_eq!((&again["node"], &again["task_keys"]), (&first["node"], &first["task_keys"]));
    let other = Machine::new(2).enrol(&rig, token).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (403, "invite_already_used"));
    assert_eq!(rig.get("/api/nodes").await.json()["items"].as_array().unwrap().len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_together_makes_no_node() {
    let rig = Rig::start().await;
    let issued = issue(&rig, None).await;
    let token = issued.token.expose_secret();
    let machine = Machine::new(1);
    let bend = |field: &str, value: Value| {
        let field = field.to_owned();
        let (rig, machine) = (&rig, &machine);
        async move {
            let mut body = machine.body(rig, token).await;
            body[field] = value;
            let answer = rig.send(request("POST", FINISH, None, Some(body))).await;
            (answer.status.as_u16(), answer.code())
        }
    };
    let text = |bytes: &[u8]| json!(STANDARD.encode(bytes));
    let refused = |status, code: &str| (status, code.to_owned());
    assert_eq!(bend("signature", text(&[7; 64])).await, refused(401, "bad_proof"));
    assert_eq!(bend("identity_key", text(&[7; 32])).await, refused(401, "bad_proof"));
    assert_eq!(bend("host_name", json!("other")).await, refused(401, "bad_proof"));
    assert_eq!(bend("csr", text(&Machine::new(3).csr)).await, refused(401, "bad_proof"));
    assert_eq!(bend("challenge", text(&[7; 32])).await, refused(401, "challenge_unknown"));
    assert_eq!(bend("csr", text(b"no request")).await, refused(422, "bad_csr"));
    assert_eq!(bend("csr", json!("")).await, refused(422, "body_shape"));
    assert_eq!(bend("signature", text(&[7; 3])).await, refused(422, "body_shape"));
    assert_eq!(bend("token", json!("cxi1.x")).await, refused(422, "body_shape"));
    // A challenge is good once.
    let body = machine.body(&rig, token).await;
    let wrong = Machine::new(2).body(&rig, token).await["signature"].clone();
    let mut bent = body.clone();
    bent["signature"] = wrong;
    rig.send(request("POST", FINISH, None, Some(bent))).await;
    let late = rig.send(request("POST", FINISH, None, Some(body))).await;
    assert_eq!((late.status.as_u16(), late.code().as_str()), (401, "challenge_unknown"));
    assert!(rig.get("/api/nodes").await.json()["items"].as_array().unwrap().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn strangers_are_counted_by_address() {
    let rig = Rig::start().await;
    let ask = || {
        let invite = json!({ "invite": "inv_00000000000000000000000000" });
        let mut asked: Request<Body> = request("POST", CHALLENGE, None, Some(invite));
        asked.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 5))));
        rig.send(asked)
    };
    for _ in 0..30 {
        assert_eq!(ask().await.status, StatusCode::OK, "unknown invites get a challenge too");
    }
    let refused = ask().await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "too_many_attempts"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_01_of_100_racing_machines_one_gets_the_invite() {
    let rig = Rig::start().await;
    let member = rig.user("ada", "member", &[]).await;
    let draft = Some(json!({ "name": "lab" }));
    let made = rig.send(request("POST", "/api/nodes/invite", Some(&member), draft)).await.json();
    let token: InviteToken = made["token"].as_str().unwrap().parse().unwrap();
    let start = Arc::new(Barrier::new(100));
    let race = (0..100).map(|seed| {
        let machine = Machine::new(seed);
        let challenge = rig.hub.enrolment_challenge(token.id).unwrap();
        let signature = machine.sign(&rig, &token, &challenge);
        let (hub, token, start) = (rig.hub.clone(), token.clone(), Arc::clone(&start));
        // All have their challenge, and then use it at one moment.
        tokio::spawn(async move {
            let applicant = Applicant {
                invite: token.id,
                secret: token.secret.clone(),
                challenge,
                identity: machine.identity(),
                csr: machine.csr,
                signature,
                host_name: "machine".into(),
                version: String::new(),
            };
            start.wait().await;
            hub.admit(applicant).await
        })
    });
    let race = race.collect::<Vec<_>>();
    let (made, refused): (Vec<_>, Vec<_>) =
        join_all(race).await.into_iter().map(Result::unwrap).partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 99));
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "invite_already_used"));
    }
    assert_eq!(rig.hub.nodes(&rig.principal().await, None).await.unwrap().len(), 1);
    assert!(rig.hub.metrics().encode().contains("cortexhub_enrolments_refused_total 99"));
    // Others have the secret: whose invite it is sees that, as often as there is room for.
    let path = "/api/audit?action=node.enrol&limit=100";
    let alerts = rig.send(request("GET", path, Some(&member), None)).await.json();
    let alerts = alerts["items"].as_array().unwrap().iter();
    let alerts = alerts.filter(|record| record["outcome"] == "refused");
    let words: Vec<_> = alerts.map(|record| record["detail"].as_str().unwrap()).collect();
    assert!(words.len() >= 10, "{words:?}");
    assert!(words.iter().all(|word| word.starts_with("invite_already_used")), "{words:?}");
    rig.stop().await;
}

#[tokio::test]
async fn row_02_expired_withdrawn_and_orphaned_invites_are_refused_alike() {
    let rig = Rig::start().await;
    let expired = issue(&rig, Some(Duration::from_millis(1))).await;
    let withdrawn = issue(&rig, None).await;
    let who = rig.principal().await;
    let begun = Machine::new(1).body(&rig, withdrawn.token.expose_secret()).await;
    rig.hub.withdraw_invite(&who, withdrawn.invite.id).await.unwrap();
    let refused = rig.send(request("POST", FINISH, None, Some(begun))).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "invite_withdrawn"));
    let used = [(&expired, "invite_expired"), (&withdrawn, "invite_withdrawn")];
    for (invite, code) in used {
        let refused = Machine::new(1).enrol(&rig, invite.token.expose_secret()).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, code));
    }
    // Whoever has not the secret cannot tell them from each other, nor from no invite at all.
    let unknown = "inv_00000000000000000000000000";
    let ids = [expired.invite.id.to_string(), withdrawn.invite.id.to_string(), unknown.to_owned()];
    for id in ids {
        let guess = format!("cxi1.{id}.{}", "A".repeat(43));
        let refused = Machine::new(1).enrol(&rig, &guess).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (403, "invite_wrong_secret")
        );
    }

    // Their owner is locked out between the challenge and its answer.
    let member = rig.user("ada", "member", &["read", "exec", "manage"]).await;
    let draft = json!({ "name": "theirs" });
    let made = rig.send(request("POST", "/api/nodes/invite", Some(&member), Some(draft))).await;
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let body = Machine::new(1).body(&rig, &token).await;
    let users = rig.get("/api/users").await.json();
    let ada = users["items"].as_array().unwrap().iter().find(|user| user["name"] == "ada").unwrap();
    let path = format!("/api/users/{}", ada["id"].as_str().unwrap());
    let locked = rig.call("PATCH", &path, Some(json!({ "disabled": true }))).await;
    assert_eq!(locked.status, StatusCode::OK, "{locked:?}");
    let refused = rig.send(request("POST", FINISH, None, Some(body))).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "invite_withdrawn"));
    assert!(rig.get("/api/nodes").await.json()["items"].as_array().unwrap().is_empty());
    // Either the invite was withdrawn before it was used, or the node was taken away again.
    let withdrawn = records_by_hub(&rig, "invite.withdraw").await;
    let removed = records_by_hub(&rig, "node.remove").await;
    assert_eq!(withdrawn.len() + removed.len(), 1, "{withdrawn:?} {removed:?}");
    for record in removed {
        assert_eq!(record["detail"], "theirs (its owner is locked out)");
    }
    rig.stop().await;
}

/// What the one record of an action says that the hub itself did.
pub(super) async fn by_hub(rig: &Rig, action: &str) -> Value {
    let records = records_by_hub(rig, action).await;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(record["outcome"], "done");
    record["detail"].clone()
}

/// The records of an action of the hub itself.
async fn records_by_hub(rig: &Rig, action: &str) -> Vec<Value> {
    let found = rig.get(&format!("/api/audit?action={action}")).await.json();
    let records = found["items"].as_array().unwrap().iter();
    records.filter(|record| record["actor"] == "hub").cloned().collect()
}
