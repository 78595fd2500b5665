//! A hub in a folder of its own, its HTTP side, and nodes that do what a test tells them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::body::to_bytes;
use axum::http::HeaderMap;
use axum::http::Request;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use cortex_core::account::Principal;
use cortex_core::digest::Digest;
use cortex_core::id::BootId;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::memory::MemoryNodeRegistry;
use cortex_core::proof;
use cortex_core::receipt;
use cortex_core::receipt::Output;
use cortex_core::receipt::Receipt;
use cortex_core::receipt::StreamDigest;
use cortex_core::receipt::StreamHash;
use cortex_core::registry::Enrolment;
use cortex_core::registry::NodeRegistry;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Outcome;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::HubBuilder;
use crate::clock;
use crate::config::HubConfig;
use crate::hub::Hub;
use crate::hub::InviteDraft;
use crate::hub::Opened;
use crate::hub::Registration;
use crate::hub::StreamClaim;
use crate::link::CloseReason;
use crate::link::Down;
use crate::link::Up;
use crate::trust::token::NODE_LIFE;

/// What a test waits for at most.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// A hub and its HTTP side.
pub(super) struct Rig {
    pub(super) hub: Hub,
    pub(super) router: Router,
    /// The first admin's token.
    pub(super) admin: String,
    registry: Arc<MemoryNodeRegistry>,
    shutdown: CancellationToken,
    driver: JoinHandle<cortex_core::Result<()>>,
    pub(super) folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A node with an open stream.
pub(super) struct FakeNode {
    pub(super) id: NodeId,
    pub(super) opened: Opened,
    sequence: u64,
    hub: HubId,
    key: SigningKey,
    stdout: StreamHash,
}

impl Rig {
    pub(super) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(super) async fn with(change: impl FnOnce(HubBuilder) -> HubBuilder) -> Self {
        Self::begin(HubBuilder::default(), change).await
    }

    /// A hub with this configuration, but for its directory.
    pub(super) async fn of(config: HubConfig) -> Self {
        Self::begin(HubBuilder::new(config), |builder| builder).await
    }

    async fn begin(builder: HubBuilder, change: impl FnOnce(HubBuilder) -> HubBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = Arc::new(MemoryNodeRegistry::default());
        let builder = builder
            .data_dir(folder.path())
            .registry(Arc::clone(&registry) as Arc<dyn NodeRegistry>);
        let (hub, driver) = change(builder).build(&nodes).await.unwrap();
        let shutdown = CancellationToken::new();
        let driver = tokio::spawn(driver.run(nodes, None, shutdown.clone()));
        let path = hub.accounts().ensure_admin(folder.path()).await.unwrap().unwrap();
        let admin = std::fs::read_to_string(path).unwrap().trim().to_owned();
        Self { router: crate::rest::router(&hub), hub, admin, registry, shutdown, driver, folder }
    }

    /// Ends the hub; fails if it does not end well.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(LIMIT, self.driver).await.unwrap().unwrap().unwrap();
    }

    /// Sends a request as it is; the answer's body is not read.
    pub(super) async fn raw(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.raw(request).await;
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(LIMIT, to_bytes(body, 64 << 20)).await;
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.expect("an answer that ends").unwrap(),
        }
    }

    /// Sends a request as the first admin.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(request(method, path, Some(&self.admin), body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Makes a user and returns a token of theirs with these scopes.
    pub(super) async fn user(&self, name: &str, role: &str, scopes: &[&str]) -> String {
        let draft = serde_json::json!({"name": name, "role": role, "password": "correct horse"});
        let made = self.call("POST", "/api/users", Some(draft)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let login = serde_json::json!({"name": name, "password": "correct horse"});
        let login = self.send(request("POST", "/api/login", None, Some(login))).await;
        let access = login.json()["access_token"].as_str().unwrap().to_owned();
        let draft = serde_json::json!({"name": "t", "scopes": scopes});
        let token = self.send(request("POST", "/api/tokens", Some(&access), Some(draft))).await;
        token.json()["token"].as_str().unwrap().to_owned()
    }

    /// Enrols a node of the first admin's and opens its stream.
    pub(super) async fn node(&self, name: &str) -> FakeNode {
        let who = self.principal().await;
        self.node_for(&who, name).await
    }

    /// Enrols a node of a user's and opens its stream.
    pub(super) async fn node_of(&self, user: &str, name: &str) -> FakeNode {
        let users = self.hub.accounts().users(&self.principal().await).await.unwrap();
        let user = users.into_iter().find(|one| one.name == user).unwrap();
        self.node_for(&Principal::full(user.id, user.role), name).await
    }

    async fn node_for(&self, who: &Principal, name: &str) -> FakeNode {
        let labels = BTreeMap::from([("role".to_owned(), name.to_owned())]);
        let draft = InviteDraft { name: name.to_owned(), labels, life: None };
        let issued = self.hub.invite(who, draft, None).await.unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let identity = key.verifying_key().to_bytes();
        let enrolment = Enrolment {
            invite: issued.invite.id,
            secret_digest: issued.invite.secret_digest,
            node: NodeId::generate(),
            identity,
            version: "0.1.0".into(),
        };
        let id = self.registry.enroll(enrolment, clock::now()).await.unwrap().id;
        let tokens = self.hub.trust().tokens();
        let token = tokens.issue_node(id, &identity, NODE_LIFE, clock::now()).unwrap();
        let token = self.hub.authenticate_node(token.token.expose_secret()).unwrap();
        let registration =
            Registration { capabilities: super::control::stated(), version: "0.1.0".into() };
        self.hub.register(&token, registration).await.unwrap();
        let (nonce, boot) = (self.hub.stream_challenge(id).unwrap(), BootId::generate());
        let signed = key.sign(&proof::stream(self.hub.id(), id, &nonce, boot, 1));
        let claim =
            StreamClaim { nonce, boot, generation: 1, signature: signed.to_bytes().to_vec() };
        let opened = self.hub.open_stream(&token, &claim).await.unwrap();
        let (hub, stdout) = (self.hub.id(), StreamHash::default());
        FakeNode { id, opened, sequence: 0, hub, key, stdout }
    }

    pub(super) async fn principal(&self) -> Principal {
        let headers = HeaderMap::new();
        let credentials = crate::accounts::Credentials {
            bearer: Some(&self.admin),
            headers: &headers,
            address: None,
        };
        self.hub.accounts().identify(&credentials).await.unwrap().principal.clone()
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The code of a problem document, having looked at its form.
    pub(super) fn code(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert_eq!(json["request_id"], self.headers["x-request-id"].to_str().unwrap());
        json["code"].as_str().unwrap().to_owned()
    }
}

impl FakeNode {
    /// What the hub sends next.
    pub(super) async fn down(&mut self) -> Down {
        tokio::time::timeout(LIMIT, self.opened.down.recv()).await.unwrap().unwrap()
    }

    /// The next task that the hub sends.
    pub(super) async fn task(&mut self) -> Arc<Task> {
        loop {
            if let Down::Run(task) = self.down().await {
                self.sequence = 0;
                self.stdout = StreamHash::default();
                return task;
            }
        }
    }

    /// Waits until the hub asks for the end of a task.
    pub(super) async fn cancelled(&mut self) {
        loop {
            if let Down::Cancel { .. } = self.down().await {
                return;
            }
        }
    }

    pub(super) async fn report(&mut self, task: &Task, news: Vec<News>) {
        let reports = news.into_iter().map(|news| {
            self.sequence += 1;
            Report { task: task.id, attempt: task.attempt, sequence: self.sequence, news }
        });
        let reports = Up::Reports(reports.collect());
        self.opened.up.send(reports).await.unwrap();
    }

    pub(super) async fn start(&mut self, task: &Task) {
        self.report(task, vec![News::Started { pid: Some(7) }]).await;
    }

    pub(super) async fn write(&mut self, task: &Task, offset: u64, data: &[u8]) {
        self.stdout.update(data);
        let news =
            News::Output { stream: Stream::Stdout, offset, data: Bytes::copy_from_slice(data) };
        self.report(task, vec![news]).await;
    }

    pub(super) async fn end(&mut self, task: &Task, code: i32) {
        let receipt = self.receipt(task, &Outcome::Exited { code });
        self.end_with(task, code, receipt.sign(&self.key)).await;
    }

    /// Reports an end with a receipt of the test's own.
    pub(super) async fn end_with(&mut self, task: &Task, code: i32, signed: receipt::Signed) {
        let (outcome, receipt) = (Outcome::Exited { code }, Arc::new(signed));
        self.report(task, vec![News::Ended { outcome, receipt }]).await;
    }

    /// What an honest node states.
    pub(super) fn receipt(&self, task: &Task, outcome: &Outcome) -> Receipt {
        Receipt {
            hub: self.hub,
            node: self.id,
            session: task.session,
            task: task.id,
            attempt: task.attempt,
            envelope: Digest::of(b"envelope"),
            ending: outcome.into(),
            output: Output::Known {
                stdout: self.stdout.clone().finish(false),
                stderr: StreamDigest::empty(),
            },
            at: clock::now(),
        }
    }

    /// The key that the node enrolled with.
    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Waits until the hub has ended the stream, and returns why.
    pub(super) async fn cut_off(&self) -> CloseReason {
        let link = &self.opened.link;
        tokio::time::timeout(LIMIT, link.closed.cancelled()).await.unwrap();
        link.close_reason().unwrap().clone()
    }
}

/// A request, with JSON where there is a body.
pub(super) fn request(
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    match body {
        Some(body) => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    }
    .unwrap()
}

/// Asks again and again until it is so.
pub(super) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.expect("it becomes so");
}

/// Events of a stream that is read as it comes.
pub(super) struct Events {
    body: axum::body::BodyDataStream,
    text: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) data: Value,
}

impl Events {
    pub(super) fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` at the end of the stream. Blocks without data are left out.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = event_of(block);
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(LIMIT, self.body.next()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }
}

fn event_of(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines();
        let prefix = format!("{name}: ");
        lines.find_map(|line| line.strip_prefix(prefix.as_str()))
    };
    Some(Event {
        id: field("id").map(ToOwned::to_owned),
        name: field("event")?.to_owned(),
        data: serde_json::from_str(field("data")?).unwrap(),
    })
}
