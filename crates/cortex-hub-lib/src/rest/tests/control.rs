//! Control of running tasks, the skills that there are, and all of it at a glance.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::capability::Capabilities;
use cortex_core::capability::Form;
use cortex_core::capability::OfferedSkill;
use cortex_core::capability::Schema;
use cortex_core::report::News;
use cortex_core::task::Input;
use cortex_core::task::Progress;
use cortex_core::task::Signal;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;
use crate::link::Down;

/// The skill of all nodes of these tests.
pub(super) const SKILL: &str = "secret-skill";

/// What nodes of these tests say of themselves.
pub(super) fn stated() -> Capabilities {
    let input = json!({
        "type": "object",
        "properties": {"count": {"type": "integer"}},
        "required": ["count"],
    });
    let input = Schema::of(&input);
    let form = Form { summary: "Does it.".into(), input, ..Form::default() };
    let skill = OfferedSkill { name: SKILL.into(), version: "3".into(), form: Arc::new(form) };
    Capabilities { skills: vec![skill], ..Capabilities::default() }
}

#[tokio::test]
async fn a_signal_goes_down_to_the_node_and_what_is_none_does_not() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let body = json!({"argv": ["sleep"], "node": "lab"});
    let task = rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await.json();
    let running = node.task().await;
    node.start(&running).await;
    let path = format!("/api/tasks/{}/signal", task["id"].as_str().unwrap());
    let sent = rig.call("POST", &path, Some(json!({"signal": "SIGHUP"}))).await;
    assert_eq!(sent.status.as_u16(), 204, "{sent:?}");
    let (input, of) = loop {
        // Acknowledgements may come before it.
        if let Down::Input { input, task, .. } = node.down().await {
            break (input, task);
        }
    };
    assert_eq!((input, of), (Input::Signal(Signal::Hup), running.id));
    let unknown = rig.call("POST", &path, Some(json!({"signal": "SEGV"}))).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (422, "signal"));
    let record = rig.get("/api/audit?limit=1").await.json()["items"][0].clone();
    assert_eq!((&record["action"], &record["detail"]), (&json!("task.signal"), &json!("HUP")));
    node.end(&running, 0).await;
    rig.hub.wait(&rig.principal().await, running.id, Duration::from_secs(20)).await.unwrap();
    let late = rig.call("POST", &path, Some(json!({"signal": "HUP"}))).await;
    assert_eq!(late.code(), "task_ended");
    rig.stop().await;
}

#[tokio::test]
async fn skills_are_listed_shown_and_their_input_is_checked() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let list = rig.get("/api/skills").await.json();
    let skill = &list["items"][0];
    assert_eq!((&skill["name"], &skill["summary"]), (&json!(SKILL), &json!("Does it.")));
    assert_eq!((&skill["online_count"], &skill["input"]), (&json!(1), &json!(null)));
    let shown = rig.get(&format!("/api/skills/{SKILL}")).await.json();
    assert_eq!(shown["items"][0]["input"]["required"], json!(["count"]));
    // In lists of nodes, schemas would only be in the way.
    let nodes = rig.get("/api/nodes/lab").await.json();
    assert_eq!(nodes["capabilities"]["skills"], json!([{"name": SKILL, "version": "3"}]));
    let call = |input| Some(json!({"skill": {"name": SKILL, "input": input}, "node": "lab"}));
    let dispatch = "/api/sessions/default/dispatch";
    let wrong = rig.call("POST", dispatch, call(json!({"count": "x"}))).await;
    assert_eq!((wrong.status.as_u16(), wrong.code().as_str()), (422, "skill_input"));
    assert!(wrong.json()["detail"].as_str().unwrap().contains("count must be an integer"));
    let task = rig.call("POST", dispatch, call(json!({"count": 1}))).await;
    assert_eq!(task.status.as_u16(), 202);
    let running = node.task().await;
    node.start(&running).await;
    let progress = Progress::new(1, Some(4), "files");
    node.report(&running, vec![News::Progress(progress)]).await;
    node.end(&running, 0).await;
    let path = format!("/api/tasks/{}?wait=20", running.id);
    let ended = rig.get(&path).await.json();
    let expected = json!({"done": 1, "total": 4, "percent": 25, "message": "files"});
    assert_eq!(ended["progress"], expected);
    rig.stop().await;
}

#[tokio::test]
async fn the_mesh_shows_to_each_what_they_may_see() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let _other = rig.node("other").await;
    let body = json!({"argv": ["sleep"], "node": "lab"});
    rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    let running = node.task().await;
    node.start(&running).await;
    let mesh = async {
        loop {
            // What is shown may be a second old.
            let mesh = rig.get("/api/mesh?sort=tasks&limit=1").await.json();
            if mesh["tasks"]["running"] == 1 {
                return mesh;
            }
            tokio::task::yield_now().await;
        }
    };
    let mesh = tokio::time::timeout(super::rig::LIMIT, mesh).await.unwrap();
    assert_eq!(
        (&mesh["node_counts"]["total"], &mesh["node_counts"]["online"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(mesh["nodes"].as_array().unwrap().len(), 1);
    assert_eq!((&mesh["nodes"][0]["name"], &mesh["nodes"][0]["tasks"]), (&json!("lab"), &json!(1)));
    assert!(mesh["hub"]["uptime_ms"].is_u64());
    let ada = rig.user("ada", "member", &[]).await;
    let theirs = rig.send(request("GET", "/api/mesh", Some(&ada), None)).await.json();
    assert_eq!((&theirs["node_counts"]["total"], &theirs["nodes"]), (&json!(0), &json!([])));
    assert_eq!(
        (&theirs["tasks"]["running"], &theirs["rates"]["minute"]["started"]),
        (&json!(0), &json!(0.0))
    );
    let wrong = rig.get("/api/mesh?sort=size").await;
    assert_eq!((wrong.status.as_u16(), wrong.code().as_str()), (422, "sort"));
    node.end(&running, 0).await;
    rig.stop().await;
}
