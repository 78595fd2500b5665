//! A task with more output than is kept: both ends are there, and a reader is told of the rest.

use axum::http::header;
use serde_json::json;

use super::rig::Events;
use super::rig::FakeNode;
use super::rig::Rig;
use super::rig::request;

const MIB: u64 = 1 << 20;

/// The lines from byte `offset` on, 16 bytes each.
fn lines(offset: u64, len: u64) -> Vec<u8> {
    let numbers = offset / 16..(offset + len) / 16;
    numbers.flat_map(|number| format!("line {number:010}\n").into_bytes()).collect()
}

/// Runs a task that puts out 3 MiB, of which 1 MiB may be kept; its path.
async fn cut_task(rig: &Rig, node: &mut FakeNode) -> String {
    let body = json!({"argv": ["cat"], "node": "lab", "output_bytes": MIB});
    rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    let task = node.task().await;
    node.start(&task).await;
    let piece = 48 << 10;
    for offset in (0..3 * MIB).step_by(48 << 10) {
        node.write(&task, offset, &lines(offset, piece)).await;
    }
    node.end(&task, 0).await;
    let ended = rig.get(&format!("/api/tasks/{}?wait=20", task.id)).await.json();
    let gap = json!({"from": 5 * MIB / 8, "to": 23 * MIB / 8});
    assert_eq!(ended["output"]["stdout_gap"], gap, "{ended}");
    assert_eq!(ended["output"]["stdout_bytes"], 3 * MIB);
    assert_eq!(ended["output"]["dropped_bytes"], 9 * MIB / 4);
    format!("/api/tasks/{}/output", task.id)
}

#[tokio::test]
async fn bytes_end_where_something_is_left_out_and_go_on_behind_it() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let path = cut_task(&rig, &mut node).await;
    let (from, to) = (5 * MIB / 8, 23 * MIB / 8);
    let first = rig.get(&path).await;
    assert_eq!(first.headers["x-cortex-gap"], format!("{from}-{to}"));
    assert_eq!(first.headers["x-cortex-stored"], (3 * MIB).to_string());
    assert!(first.body == lines(0, from));
    for offset in [from, from + 1, to - 1, to] {
        let last = rig.get(&format!("{path}?offset={offset}")).await;
        assert_eq!(last.headers["x-cortex-offset"], to.to_string());
        assert!(last.body == lines(to, 3 * MIB - to));
    }
    let before = rig.get(&format!("{path}?offset={}&limit=100", from - 16)).await;
    assert_eq!(before.body, lines(from - 16, 16));
    // The event's own log says where it was cut, and has none of what is left out.
    let page = rig.get("/api/sessions/default/events?limit=500").await.json();
    let items = page["items"].as_array().unwrap();
    let cuts: Vec<_> = items.iter().filter(|item| item["type"] == "task.truncated").collect();
    assert_eq!(cuts[0]["data"]["from"], from);
    let dropped: u64 = cuts.iter().map(|cut| cut["data"]["dropped"].as_u64().unwrap()).sum();
    assert_eq!(dropped, to - from);
    rig.stop().await;
}

#[tokio::test]
async fn the_end_is_found_by_bytes_and_by_lines() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let path = cut_task(&rig, &mut node).await;
    let end = |len| lines(3 * MIB - len, len);
    for (query, kept) in [
        ("tail=32", 32),
        ("tail_lines=1", 16),
        ("tail_lines=5000", 5_000 * 16),
        ("tail=999999999", MIB / 8),
        ("tail_lines=4000000000", MIB / 8),
        ("tail=0", 0),
        ("tail_lines=0", 0),
    ] {
        let tail = rig.get(&format!("{path}?{query}")).await;
        assert_eq!(tail.body.len() as u64, kept, "{query}");
        assert!(tail.body == end(kept), "{query}");
        let begin = rig.get(&format!("{path}?{query}&limit=0")).await;
        assert_eq!(begin.headers["x-cortex-offset"], (3 * MIB - kept).to_string());
        assert_eq!(begin.body.len(), 0);
    }
    assert_eq!(rig.get(&format!("{path}?tail=1&offset=1")).await.code(), "tail");
    assert_eq!(rig.get(&format!("{path}?tail=1&tail_lines=1")).await.code(), "tail");
    rig.stop().await;
}

#[tokio::test]
async fn a_reader_of_events_is_told_what_is_left_out() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let path = cut_task(&rig, &mut node).await;
    let mut follow = request("GET", &path, Some(&rig.admin), None);
    follow.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    let mut events = Events::of(rig.raw(follow).await);
    let (mut text, mut gaps) = (String::new(), Vec::new());
    loop {
        let event = events.next().await.unwrap();
        match event.name.as_str() {
            "output" => text.push_str(event.data["data"].as_str().unwrap()),
            "gap" => gaps.push((event.id.unwrap(), event.data)),
            _ => break,
        }
    }
    let (from, to) = (5 * MIB / 8, 23 * MIB / 8);
    let told = json!({"stream": "stdout", "gap": {"from": from, "to": to}});
    assert_eq!(gaps, [(format!("{to}-0"), told)]);
    assert!(text.into_bytes() == [lines(0, from), lines(to, 3 * MIB - to)].concat());
    rig.stop().await;
}

#[tokio::test]
async fn a_cap_below_the_smallest_is_refused() {
    let rig = Rig::start().await;
    let _node = rig.node("lab").await;
    let body = json!({"argv": ["cat"], "node": "lab", "output_bytes": 1000});
    let refused = rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    assert_eq!(refused.code(), "bad_task");
    rig.stop().await;
}
