//! Sharing a node: what it opens, and that it ends at once.

use axum::http::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::rig::Answer;
use super::rig::FakeNode;
use super::rig::Rig;
use super::rig::request;

/// A hub, a node of the first admin's, and a user with a token.
struct Pair {
    rig: Rig,
    node: FakeNode,
    ada: String,
}

impl Pair {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let node = rig.node("lab").await;
        let ada = rig.user("ada", "member", &[]).await;
        Self { rig, node, ada }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.rig.send(request(method, path, Some(&self.ada), body)).await
    }

    async fn share(&self, access: &str) {
        let body = Some(json!({"access": access}));
        let shared = self.rig.call("PUT", "/api/nodes/lab/grants/ada", body).await;
        assert_eq!(shared.status, StatusCode::OK, "{shared:?}");
        assert_eq!(
            (&shared.json()["name"], &shared.json()["access"]),
            (&json!("ada"), &json!(access))
        );
    }

    async fn unshare(&self) {
        let gone = self.rig.call("DELETE", "/api/nodes/lab/grants/ada", None).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    }

    /// Sends a task of ada's to any node of her default session.
    async fn dispatch(&self, body: Value) -> Answer {
        self.ask("POST", "/api/sessions/default/dispatch", Some(body)).await
    }

    async fn stop(self) {
        drop(self.node);
        self.rig.stop().await;
    }
}

#[tokio::test]
async fn each_grant_opens_what_it_says_and_nothing_else() {
    let pair = Pair::start().await;
    let cordon = || Some(json!({"cordoned": true}));
    assert_eq!(pair.ask("GET", "/api/nodes/lab", None).await.status, StatusCode::NOT_FOUND);
    pair.share("use").await;
    let seen = pair.ask("GET", "/api/nodes/lab", None).await.json();
    assert_eq!((&seen["owner_name"], &seen["access"]), (&json!("admin"), &json!("use")));
    let listed = pair.ask("GET", "/api/nodes", None).await.json();
    assert_eq!(listed["items"], json!([seen]));
    let denied = pair.ask("PATCH", "/api/nodes/lab", cordon()).await;
    assert_eq!((denied.status.as_u16(), denied.code().as_str()), (403, "not_granted"));
    assert_eq!(
        pair.dispatch(json!({"argv": ["true"], "node": "lab"})).await.status,
        StatusCode::ACCEPTED
    );

    pair.share("manage").await;
    assert_eq!(pair.ask("PATCH", "/api/nodes/lab", cordon()).await.status, StatusCode::OK);
    for (method, path, body) in [
        ("DELETE", "/api/nodes/lab", None),
        ("GET", "/api/nodes/lab/grants", None),
        ("PUT", "/api/nodes/lab/grants/ada", Some(json!({"access": "use"}))),
        ("DELETE", "/api/nodes/lab/grants/ada", None),
    ] {
        let denied = pair.ask(method, path, body).await;
        assert_eq!(
            (denied.status.as_u16(), denied.code().as_str()),
            (403, "not_granted"),
            "{path}"
        );
    }
    let grants = pair.rig.get("/api/nodes/lab/grants").await.json();
    assert_eq!(grants["items"][0]["access"], "manage");
    assert_eq!(grants["items"].as_array().unwrap().len(), 1);
    pair.unshare().await;
    assert_eq!(pair.ask("GET", "/api/nodes/lab", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(pair.rig.get("/api/nodes/lab/grants").await.json()["items"], json!([]));
    let again = pair.rig.call("DELETE", "/api/nodes/lab/grants/ada", None).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (404, "grant_not_found"));
    pair.stop().await;
}

#[tokio::test]
async fn a_grant_that_is_taken_back_ends_all_access_at_once() {
    let mut pair = Pair::start().await;
    pair.share("use").await;
    let id = pair.node.id.to_string();
    // One that runs, one that has just been handed over, and one that waits for the node alone.
    let running = pair.dispatch(json!({"argv": ["sleep"], "node": "lab"})).await.json();
    let task = pair.node.task().await;
    pair.node.start(&task).await;
    let handed = pair.dispatch(json!({"argv": ["sleep"], "node": "lab"})).await.json();
    pair.rig.call("PATCH", "/api/nodes/lab", Some(json!({"cordoned": true}))).await;
    let queued = json!({"argv": ["sleep"], "node": "lab", "queue": true});
    let queued = pair.dispatch(queued).await.json();
    // The owner's own goes on.
    let own = json!({"argv": ["sleep"], "node": "lab", "queue": true});
    let own = pair.rig.call("POST", "/api/sessions/default/dispatch", Some(own)).await.json();
    pair.unshare().await;

    let state = async |task: &Value| {
        let path = format!("/api/tasks/{}", task["id"].as_str().unwrap());
        pair.ask("GET", &path, None).await.json()
    };
    assert_eq!(state(&running).await["state"], "cancelling");
    assert_eq!(state(&handed).await["state"], "cancelling");
    let queued = state(&queued).await;
    assert_eq!(queued["state"], "failed");
    assert!(queued["summary"].as_str().unwrap().contains("not shared"), "{queued}");
    let own = format!("/api/tasks/{}", own["id"].as_str().unwrap());
    assert_eq!(pair.rig.get(&own).await.json()["state"], "queued");

    // The session still has the node attached; it says why it sends it nothing.
    for body in [json!({"argv": ["true"]}), json!({"argv": ["true"], "node": id})] {
        let refused = pair.dispatch(body).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "node_not_shared"));
        assert!(
            refused.json()["detail"].as_str().unwrap().contains("not shared with you any more")
        );
    }
    let by_name = pair.dispatch(json!({"argv": ["true"], "node": "lab"})).await;
    assert_eq!(by_name.status, StatusCode::NOT_FOUND);
    let attach = format!("/api/sessions/default/nodes/{id}");
    assert_eq!(pair.ask("PUT", &attach, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(pair.ask("DELETE", &attach, None).await.status, StatusCode::OK);
    assert_eq!(pair.dispatch(json!({"argv": ["true"]})).await.code(), "no_nodes");
    pair.stop().await;
}

#[tokio::test]
async fn a_node_is_shared_by_who_owns_it_with_who_is_there() {
    let pair = Pair::start().await;
    let put = |path: &'static str, access: &'static str| {
        pair.rig.call("PUT", path, Some(json!({"access": access})))
    };
    let unknown = put("/api/nodes/lab/grants/nobody", "use").await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "user_not_found"));
    let self_grant = put("/api/nodes/lab/grants/admin", "use").await;
    assert_eq!((self_grant.status.as_u16(), self_grant.code().as_str()), (422, "grant_to_owner"));
    assert_eq!(put("/api/nodes/lab/grants/ada", "fly").await.code(), "access");
    pair.stop().await;
}

#[tokio::test]
async fn a_name_means_ones_own_node_first_and_never_one_of_two() {
    let pair = Pair::start().await;
    pair.share("use").await;
    // Another owner's node of the same name, shared too.
    pair.rig.user("bob", "member", &[]).await;
    let bobs = pair.rig.node_of("bob", "lab").await;
    let grant = format!("/api/nodes/{}/grants/ada", bobs.id);
    pair.rig.call("PUT", &grant, Some(json!({"access": "use"}))).await;
    let which = pair.ask("GET", "/api/nodes/lab", None).await;
    assert_eq!((which.status.as_u16(), which.code().as_str()), (409, "ambiguous_name"));
    let own = pair.rig.node_of("ada", "lab").await;
    assert_eq!(pair.ask("GET", "/api/nodes/lab", None).await.json()["id"], own.id.to_string());
    drop((bobs, own));
    pair.stop().await;
}

#[tokio::test]
async fn a_change_of_several_things_is_made_all_or_none() {
    let pair = Pair::start().await;
    let _taken = pair.rig.node("other").await;
    let patch = json!({"cordoned": true, "labels": {"a": "b"}, "name": "other", "locked": true});
    let refused = pair.rig.call("PATCH", "/api/nodes/lab", Some(patch)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "name_taken"));
    let lab = pair.rig.get("/api/nodes/lab").await.json();
    assert_eq!((&lab["cordoned"], &lab["locked"]), (&json!(false), &json!(false)));
    assert_eq!(lab["labels"], json!({"role": "lab"}));
    pair.stop().await;
}

#[tokio::test]
async fn who_is_locked_out_has_nothing_going_on() {
    let mut pair = Pair::start().await;
    pair.share("use").await;
    let invite = pair.ask("POST", "/api/nodes/invite", Some(json!({"name": "mine"}))).await.json();
    let running = pair.dispatch(json!({"argv": ["sleep"], "node": "lab"})).await.json();
    let task = pair.node.task().await;
    pair.node.start(&task).await;
    pair.rig.call("PATCH", "/api/users/ada", Some(json!({"disabled": true}))).await;
    assert_eq!(pair.dispatch(json!({"argv": ["true"]})).await.status, StatusCode::UNAUTHORIZED);
    // The node is told, and the invite opens nothing any more.
    pair.node.cancelled().await;
    let task = format!("/api/tasks/{}", running["id"].as_str().unwrap());
    assert_eq!(pair.rig.get(&task).await.json()["state"], "cancelling");
    let path = format!("/api/invites/{}", invite["id"].as_str().unwrap());
    super::rig::until(async || pair.rig.get(&path).await.json()["state"] == "withdrawn").await;
    pair.stop().await;
}
