//! Nobody speaks for another node: raw calls, made with credentials that do not go together.

use std::time::Duration;

use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::node::Suspicion;
use cortex_core::proof;
use cortex_core::proof::EnrolmentClaim;
use cortex_hub_lib::InviteDraft;
use cortex_hub_lib::config::NodeTls;
use cortex_node_lib::config::InviteToken;
use cortex_proto::v1;
use cortex_proto::v1::agent_orchestrator_client::AgentOrchestratorClient;
use cortex_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use cortex_proto::v1::token_service_client::TokenServiceClient;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use rcgen::CertificateParams;
use rcgen::KeyPair;
use secrecy::ExposeSecret as _;
use tonic::Code;
use tonic::Request;
use tonic::Status;
use tonic::transport::Certificate;
use tonic::transport::Channel;
use tonic::transport::ClientTlsConfig;
use tonic::transport::Endpoint;
use tonic::transport::Identity;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// A node that has enrolled and does nothing by itself.
pub(crate) struct Member {
    id: NodeId,
    key: SigningKey,
    shown: Option<Identity>,
}

impl Member {
    /// One whose identity key is known.
    pub(crate) fn of(id: NodeId, key: SigningKey) -> Self {
        Self { id, key, shown: None }
    }

    /// Renews its certificate for a TLS key; returns the generation that it is then at.
    pub(crate) async fn renew(
        &self,
        sandbox: &Sandbox,
        generation: u64,
        tls: &KeyPair,
    ) -> Result<u64, Status> {
        let csr = CertificateParams::default().serialize_request(tls).unwrap();
        let mut client = EnrollmentServiceClient::new(dial(sandbox, "enrol.", None).await);
        let node_id = self.id.to_string();
        let begin = v1::BeginRenewalRequest { node_id: node_id.clone() };
        let challenge = client.begin_renewal(begin).await?.into_inner().challenge;
        let nonce = challenge.as_ref().try_into().unwrap();
        let proven = proof::renewal(sandbox.hub.id(), self.id, nonce, generation, csr.der());
        let finish = v1::FinishRenewalRequest {
            node_id,
            challenge,
            generation,
            csr_der: csr.der().to_vec().into(),
            signature: self.key.sign(&proven).to_vec().into(),
        };
        Ok(client.finish_renewal(finish).await?.into_inner().generation)
    }

    /// Puts another identity key in the place of its own.
    pub(crate) async fn rekey(&self, sandbox: &Sandbox, new: &SigningKey) -> Result<(), Status> {
        let mut client = EnrollmentServiceClient::new(dial(sandbox, "enrol.", None).await);
        let node_id = self.id.to_string();
        let begin = v1::BeginRekeyRequest { node_id: node_id.clone() };
        let challenge = client.begin_rekey(begin).await?.into_inner().challenge;
        let nonce = challenge.as_ref().try_into().unwrap();
        let keys = [&self.key, new].map(|key| key.verifying_key().to_bytes());
        let hub = sandbox.hub.id();
        let proven = proof::identity_change(hub, self.id, nonce, &keys[0], &keys[1]);
        let [old_key, new_key] = keys.map(|key| key.to_vec().into());
        let [old_signature, new_signature] =
            [&self.key, new].map(|key| key.sign(&proven).to_vec().into());
        let finish = v1::FinishRekeyRequest {
            node_id,
            challenge,
            old_key,
            new_key,
            old_signature,
            new_signature,
        };
        client.finish_rekey(finish).await.map(drop)
    }
}

/// Connects by a door of the node port.
pub(crate) async fn dial(sandbox: &Sandbox, door: &str, shown: Option<&Identity>) -> Channel {
    let ca = std::fs::read_to_string(sandbox.path("hub/trust/ca.cert.pem")).unwrap();
    let name = format!("{door}{}.cortex.internal", sandbox.hub.id().to_string().replace('_', "-"));
    let mut tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name(name);
    if let Some(shown) = shown {
        tls = tls.identity(shown.clone());
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", sandbox.node_address())).unwrap();
    let endpoint = endpoint.tls_config(tls).unwrap().timeout(Duration::from_secs(30));
    wait(endpoint.connect()).await.expect("the hub is there")
}

async fn enrol(sandbox: &Sandbox, name: &str, seed: u8) -> Member {
    let draft = InviteDraft { name: name.to_owned(), ..InviteDraft::default() };
    let issued = sandbox.hub.invite(&sandbox.who, draft, None).await.unwrap();
    let token: InviteToken = issued.token.expose_secret().parse().unwrap();
    let (invite, key): (InviteId, _) = (token.id(), SigningKey::from_bytes(&[seed; 32]));
    let tls = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&tls).unwrap();
    let mut client = EnrollmentServiceClient::new(dial(sandbox, "enrol.", None).await);
    let begin = v1::BeginEnrollmentRequest { invite_id: invite.to_string() };
    let challenge = client.begin_enrollment(begin).await.unwrap().into_inner().challenge;
    let identity = key.verifying_key().to_bytes();
    let claim = EnrolmentClaim {
        hub: sandbox.hub.id(),
        invite,
        challenge: challenge.as_ref().try_into().unwrap(),
        csr: csr.der(),
        identity: &identity,
        host_name: name,
    };
    let finish = v1::FinishEnrollmentRequest {
        invite_id: invite.to_string(),
        secret: token.secret().to_vec().into(),
        challenge: challenge.clone(),
        csr_der: csr.der().to_vec().into(),
        identity_key: identity.to_vec().into(),
        signature: key.sign(&proof::enrolment(&claim)).to_vec().into(),
        host_name: name.to_owned(),
        version: "test".to_owned(),
    };
    let done = client.finish_enrollment(finish).await.unwrap().into_inner();
    let chain = done.certificate.expect("a certificate was asked for").chain;
    let pem: String = chain.iter().map(|der| pem_of(der)).collect();
    let shown = Some(Identity::from_pem(pem, tls.serialize_pem()));
    Member { id: done.node_id.parse().unwrap(), key, shown }
}

fn pem_of(der: &[u8]) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(crate) async fn token(
    sandbox: &Sandbox,
    channel: Channel,
    member: &Member,
) -> Result<String, Status> {
    let mut client = TokenServiceClient::new(channel);
    let node_id = member.id.to_string();
    let ask = v1::RequestChallengeRequest { node_id: node_id.clone() };
    let challenge = client.request_challenge(ask).await?.into_inner().challenge;
    let proven = proof::token(sandbox.hub.id(), member.id, challenge.as_ref().try_into().unwrap());
    let signature = member.key.sign(&proven).to_vec().into();
    let issue = v1::IssueTokenRequest { node_id, challenge, signature };
    Ok(client.issue_token(issue).await?.into_inner().access_token)
}

fn with<T>(token: &str, body: T) -> Request<T> {
    let mut request = Request::new(body);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// What each call of the orchestrator answers to a token, and a message that names `named`.
pub(crate) async fn calls(
    channel: Channel,
    token: &str,
    named: NodeId,
) -> Vec<(&'static str, Code)> {
    let mut client = AgentOrchestratorClient::new(channel);
    let node_id = named.to_string();
    let registration =
        v1::RegistrationRequest { node_id: node_id.clone(), ..v1::RegistrationRequest::default() };
    let synced = client.sync_configuration(with(token, registration)).await.map(drop);
    let beat = v1::Heartbeat { node_id, epoch: 1, sequence: 1, ..v1::Heartbeat::default() };
    let beaten = match client.report_health(with(token, staying_open(beat))).await {
        Ok(answer) => wait(answer.into_inner().message()).await.map(drop),
        Err(status) => Err(status),
    };
    let code =
        |result: Result<(), Status>| result.map_or_else(|status| status.code(), |()| Code::Ok);
    vec![("SyncConfiguration", code(synced)), ("ReportHealth", code(beaten))]
}

/// A stream of one message that stays open.
fn staying_open<T: Send + 'static>(message: T) -> impl futures::Stream<Item = T> + Send {
    use futures::StreamExt as _;
    futures::stream::once(std::future::ready(message)).chain(futures::stream::pending())
}

/// What a control stream answers whose proof is signed with this key.
pub(crate) async fn stream(
    sandbox: &Sandbox,
    channel: Channel,
    token: &str,
    prover: &Member,
) -> Code {
    use v1::hub_message::Body as Down;
    use v1::node_message::Body as Up;
    let mut client = AgentOrchestratorClient::new(channel);
    let (up, sent) = tokio::sync::mpsc::channel(2);
    let sent = futures::stream::unfold(sent, |mut sent| async move {
        let message: v1::NodeMessage = sent.recv().await?;
        Some((message, sent))
    });
    let mut down = match client.task_stream(with(token, sent)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status.code(),
    };
    let body = wait(down.message()).await.unwrap().and_then(|message| message.body);
    let Some(Down::Challenge(challenge)) = body else { panic!("a challenge comes first") };
    let boot = cortex_core::id::BootId::generate();
    let nonce = challenge.nonce.as_ref().try_into().unwrap();
    let proven = proof::stream(sandbox.hub.id(), prover.id, nonce, boot, 1);
    let proof = v1::StreamProof {
        boot_id: boot.as_bytes().to_vec().into(),
        generation: 1,
        signature: prover.key.sign(&proven).to_vec().into(),
    };
    up.send(v1::NodeMessage { body: Some(Up::Proof(proof)) }).await.unwrap();
    match wait(down.message()).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_06_a_token_is_good_for_its_own_node_only() {
    let sandbox = Sandbox::start().await;
    let (one, other) = (enrol(&sandbox, "one", 1).await, enrol(&sandbox, "other", 2).await);
    let channel = dial(&sandbox, "", None).await;
    let own = token(&sandbox, channel.clone(), &one).await.unwrap();
    for (call, code) in calls(channel.clone(), &own, other.id).await {
        assert_eq!(code, Code::PermissionDenied, "{call}");
    }
    let by_other = Member::of(other.id, one.key.clone());
    let refused = token(&sandbox, channel.clone(), &by_other).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused = stream(&sandbox, channel.clone(), &own, &other).await;
    assert_eq!(refused, Code::Unauthenticated, "the proof is another node's");
    let synced = calls(channel.clone(), &own, one.id).await[0];
    assert_eq!(synced, ("SyncConfiguration", Code::Ok));
    assert_eq!(stream(&sandbox, channel, &own, &one).await, Code::Ok);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_06_in_mutual_token_and_certificate_are_of_one_node() {
    let sandbox = Sandbox::with_config(|config| config.tls.nodes = NodeTls::Mutual).await;
    let (one, other) = (enrol(&sandbox, "one", 1).await, enrol(&sandbox, "other", 2).await);
    let (ours, theirs) = (
        dial(&sandbox, "", one.shown.as_ref()).await,
        dial(&sandbox, "", other.shown.as_ref()).await,
    );
    let refused = token(&sandbox, theirs.clone(), &one).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let own = token(&sandbox, ours.clone(), &one).await.unwrap();
    for named in [one.id, other.id] {
        for (call, code) in calls(theirs.clone(), &own, named).await {
            assert_eq!(code, Code::PermissionDenied, "{call}");
        }
    }
    let refused = stream(&sandbox, theirs, &own, &one).await;
    assert_eq!(refused, Code::PermissionDenied);
    assert_eq!(stream(&sandbox, ours, &own, &one).await, Code::Ok);

    // By the door for enrolments there is nothing else.
    let enrolment = dial(&sandbox, "enrol.", one.shown.as_ref()).await;
    for (call, code) in calls(enrolment.clone(), &own, one.id).await {
        assert_eq!(code, Code::Unimplemented, "{call}");
    }
    assert_eq!(stream(&sandbox, enrolment.clone(), &own, &one).await, Code::Unimplemented);
    let refused = token(&sandbox, enrolment, &one).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_a_renewal_can_be_repeated_but_not_made_by_two_copies() {
    let sandbox = Sandbox::start().await;
    let (one, other) = (enrol(&sandbox, "one", 1).await, enrol(&sandbox, "other", 2).await);
    let [key, next, copied] = [(); 3].map(|()| KeyPair::generate().unwrap());
    for _ in 0..2 {
        // The answer was lost: the same key gets the same one.
        assert_eq!(one.renew(&sandbox, 1, &key).await.unwrap(), 2);
    }
    assert_eq!(one.renew(&sandbox, 2, &next).await.unwrap(), 3);
    let forged = Member::of(one.id, other.key.clone()).renew(&sandbox, 3, &copied).await;
    assert_eq!(forged.unwrap_err().code(), Code::Unauthenticated);
    let stale = one.renew(&sandbox, 1, &copied).await.unwrap_err();
    assert_eq!(stale.code(), Code::PermissionDenied);
    let node = sandbox.hub.node(&sandbox.who, "one").await.unwrap();
    assert_eq!(node.suspicion, Some(Suspicion::Cloned));
    let locked = one.renew(&sandbox, 3, &copied).await.unwrap_err();
    assert_eq!(locked.code(), Code::PermissionDenied, "a locked node renews nothing");
    assert_eq!(other.renew(&sandbox, 1, &copied).await.unwrap(), 2);
    sandbox.stop().await;
}
