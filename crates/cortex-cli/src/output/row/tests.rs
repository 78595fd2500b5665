//! Tests of the tables that people see.

use std::collections::BTreeMap;

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::DeliveryInfo;
use cortex_proto::json::EventInfo;
use cortex_proto::json::ExplanationInfo;
use cortex_proto::json::FitInfo;
use cortex_proto::json::GrantInfo;
use cortex_proto::json::HealthInfo;
use cortex_proto::json::InviteInfo;
use cortex_proto::json::LoginInfo;
use cortex_proto::json::NodeInfo;
use cortex_proto::json::OutputInfo;
use cortex_proto::json::ReasonInfo;
use cortex_proto::json::SessionInfo;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::TokenInfo;
use cortex_proto::json::TrustInfo;
use cortex_proto::json::TrustKeyInfo;
use cortex_proto::json::TrustRingInfo;
use cortex_proto::json::UserInfo;
use cortex_proto::json::WaitInfo;
use serde_json::json;

use crate::output::row::KeyRow;
use crate::output::table::Row;
use crate::output::table::render;
use crate::output::table::render_details;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn table<T: Row>(items: &[T]) -> String {
    render(items, now(), false)
}

fn details<T: Row>(item: &T) -> String {
    render_details(&item.details(now()), false)
}

fn node(name: &str, status: &str, since: Option<&str>) -> NodeInfo {
    NodeInfo {
        id: "nod_01".into(),
        name: name.into(),
        owner: "usr_01".into(),
        owner_name: "ada".into(),
        access: "own".into(),
        status: status.into(),
        labels: BTreeMap::from([("role".into(), "build".into()), ("zone".into(), "b".into())]),
        cordoned: false,
        slots: 8,
        tasks_open: 2,
        locked: false,
        lock_reason: None,
        version: "0.4.2".into(),
        capabilities: Some(json!({
            "os": {"name": "Debian GNU/Linux", "version": "13", "family": "linux"},
            "kernel": "6.12.48", "arch": "x86_64", "cores": 8, "memory_bytes": 17179869184_u64,
            "skills": [{"name": "shell", "version": "1"}],
            "runtimes": [{"name": "python3", "version": "3.13.1", "path": "/usr/bin/python3"}],
        })),
        enrolled_at: "2026-11-01T00:00:00Z".into(),
        since: since.map(Into::into),
        last_seen: Some("2026-11-22T11:55:00Z".into()),
        health: None,
    }
}

#[test]
fn keys() {
    let key = |number, phase: &str, until: Option<&str>, pin: Option<&str>| TrustKeyInfo {
        number,
        phase: phase.into(),
        accepted_until: until.map(Into::into),
        pin: pin.map(Into::into),
    };
    let ring = |ring: &str, keys| TrustRingInfo { ring: ring.into(), keys, next: "x".into() };
    let info = TrustInfo {
        serial: 7,
        trust_anchor: "ab".into(),
        rings: vec![
            ring(
                "ca",
                vec![
                    key(5, "active", None, Some("0102")),
                    key(1, "tainted", Some("2026-11-22T13:30:00Z"), Some("0304")),
                ],
            ),
            ring("signing", vec![key(1, "active", None, None)]),
        ],
        nodes_online: 2,
        nodes_behind: Vec::new(),
    };
    insta::assert_snapshot!(table(&KeyRow::all(&info)), @r"
    RING     KEY  PHASE    ENDS      PIN
    ca       5    active   -         0102
    ca       1    tainted  in 1h30m  0304
    signing  1    active   -         -
    ");
}

#[test]
fn nodes() {
    let mut pending = node("mac-1", "pending", None);
    pending.capabilities = None;
    pending.last_seen = None;
    pending.version = String::new();
    let mut cordoned = node("build-2", "online", Some("2026-11-22T11:59:18Z"));
    cordoned.cordoned = true;
    let nodes = [
        node("build-1", "online", Some("2026-11-19T08:00:00Z")),
        cordoned,
        NodeInfo { access: "use".into(), ..node("lab-7", "offline", Some("2026-11-22T11:55:00Z")) },
        pending,
        node("old", "revoked", None),
    ];
    insta::assert_snapshot!(table(&nodes), @r"
    NAME     STATUS                  TASKS  OS            VERSION  LAST SEEN  OWNER
    build-1  ● online 3d4h           2/8    linux/x86_64  0.4.2    now        ada
    build-2  ● online 42s, cordoned  2/8    linux/x86_64  0.4.2    now        ada
    lab-7    ■ offline 5m            2/8    linux/x86_64  0.4.2    5m ago     ada (use)
    mac-1    ○ pending               2/8    -             -        -          ada
    old      ⊘ revoked               2/8    linux/x86_64  0.4.2    5m ago     ada
    ");
}

#[test]
fn one_node() {
    let mut node = node("build-1", "online", Some("2026-11-19T08:00:00Z"));
    node.health = Some(HealthInfo {
        cpu_percent: 12.4,
        memory_used: 4 << 30,
        memory_total: 16 << 30,
        disk_free: 20 << 30,
        disk_total: 100 << 30,
        load_one: 0.5,
        tasks_running: 2,
    });
    insta::assert_snapshot!(details(&node), @r"
    Name:       build-1
    Id:         nod_01
    Owner:      ada
    Status:     ● online 3d4h
    Last seen:  now
    Slots:      2/8
    Enrolled:   2026-11-01T00:00:00Z
    Version:    0.4.2
    Labels:     role=build,zone=b
    OS:         Debian GNU/Linux 13
    Kernel:     6.12.48
    Machine:    x86_64, 8 cores, 16 GiB
    GPUs:       -
    Runtimes:   python3 3.13.1
    Skills:     shell 1
    CPU:        12 %, load 0.50
    Memory:     4 GiB of 16 GiB
    Disk:       80 GiB of 100 GiB
    Tasks:      2 running
    ");
}

fn task() -> TaskInfo {
    TaskInfo {
        terminal: false,
        id: "tsk_01".into(),
        session: "ses_01".into(),
        by: "usr_01".into(),
        state: "failed".into(),
        command: vec!["sh".into(), "-c".into(), "echo 'it' fails; exit 7".into()],
        node: Some("nod_01".into()),
        attempt: 1,
        delivery: DeliveryInfo { attempts: Some(3), ..DeliveryInfo::default() },
        waiting: None,
        pid: Some(4711),
        exit_code: Some(7),
        summary: Some("exited with 7\x1b[2J".into()),
        outcome: Some(json!({"kind": "exited", "code": 7})),
        output: OutputInfo { stdout_bytes: 1536, dropped_bytes: 10, ..OutputInfo::default() },
        progress: None,
        stdout: None,
        stderr: None,
        created_at: "2026-11-22T11:59:00Z".into(),
        started_at: Some("2026-11-22T11:59:01Z".into()),
        ended_at: Some("2026-11-22T11:59:43Z".into()),
    }
}

#[test]
fn tasks() {
    let queued = TaskInfo {
        id: "tsk_02".into(),
        state: "queued".into(),
        node: None,
        exit_code: None,
        started_at: None,
        ended_at: None,
        command: vec!["true".into()],
        ..task()
    };
    insta::assert_snapshot!(table(&[task(), queued]), @r"
    ID      STATE   EXIT  NODE    CREATED  TIME  COMMAND
    tsk_01  failed  7     nod_01  1m ago   42s   sh -c 'echo '\''it'\'' fails; exit 7'
    tsk_02  queued  -     -       1m ago   -     true
    ");
    insta::assert_snapshot!(details(&task()), @r"
    Id:         tsk_01
    Session:    ses_01
    By:         usr_01
    Command:    sh -c 'echo '\''it'\'' fails; exit 7'
    State:      failed
    Exit code:  7
    Summary:    exited with 7\u{1b}[2J
    Node:       nod_01
    Attempt:    1 of up to 3
    Process:    4711
    Output:     1.5 KiB stdout, 0 B stderr, 10 B of them left out
    Created:    2026-11-22T11:59:00Z
    Started:    2026-11-22T11:59:01Z
    Ended:      2026-11-22T11:59:43Z
    Time:       42s
    ");
}

#[test]
fn sessions_and_events() {
    let session = SessionInfo {
        id: "ses_01".into(),
        owner: "usr_01".into(),
        name: "release".into(),
        status: "open".into(),
        nodes: vec!["nod_01".into(), "nod_02".into()],
        created_at: "2026-11-22T10:00:00Z".into(),
        closed_at: None,
    };
    insta::assert_snapshot!(table(std::slice::from_ref(&session)), @r"
    ID      NAME     STATUS  NODES  CREATED
    ses_01  release  open    2      2h ago
    ");
    insta::assert_snapshot!(details(&session), @r"
    Id:       ses_01
    Name:     release
    Owner:    usr_01
    Status:   open
    Nodes:    nod_01, nod_02
    Created:  2026-11-22T10:00:00Z
    Closed:   -
    ");
    let event = EventInfo {
        seq: 3,
        at: "2026-11-22T11:00:00Z".into(),
        session: "ses_01".into(),
        kind: "task.output".into(),
        task: Some("tsk_01".into()),
        data: json!({"stream": "stdout", "offset": 0, "data": "a\nb"}),
    };
    insta::assert_snapshot!(table(&[event]), @r"
    SEQ  AT                    TYPE         TASK    DATA
    3    2026-11-22T11:00:00Z  task.output  tsk_01  data=a\nb offset=0 stream=stdout
    ");
}

#[test]
fn accounts() {
    let user = |name: &str, disabled| UserInfo {
        id: "usr_01".into(),
        name: name.into(),
        role: "member".into(),
        disabled,
        created_at: "2026-11-22T10:00:00Z".into(),
    };
    insta::assert_snapshot!(table(&[user("ada", false), user("bob", true)]), @r"
    NAME  ROLE    STATUS    ID
    ada   member  active    usr_01
    bob   member  disabled  usr_01
    ");
    insta::assert_snapshot!(details(&user("ada", false)), @r"
    Name:     ada
    Id:       usr_01
    Role:     member
    Status:   active
    Created:  2026-11-22T10:00:00Z
    ");
    let token = |expires: Option<&str>| TokenInfo {
        id: "tok_01".into(),
        name: "ci".into(),
        owner: "usr_01".into(),
        scopes: vec!["read".into(), "exec".into()],
        created_at: "2026-11-22T11:00:00Z".into(),
        expires_at: expires.map(Into::into),
    };
    insta::assert_snapshot!(table(&[token(None), token(Some("2026-12-22T12:00:00Z"))]), @r"
    ID      NAME  SCOPES     CREATED  EXPIRES
    tok_01  ci    read,exec  1h ago   never
    tok_01  ci    read,exec  1h ago   in 30d
    ");
    let login = |id: &str, current| LoginInfo {
        id: id.into(),
        user_agent: Some("cortex-cli/0.1.0".into()),
        created_at: "2026-11-22T09:00:00Z".into(),
        refreshed_at: "2026-11-22T11:55:00Z".into(),
        expires_at: "2026-12-22T12:00:00Z".into(),
        current,
    };
    insta::assert_snapshot!(table(&[login("tok_01", true), login("tok_02", false)]), @r"
    ID      PROGRAM           SIGNED IN  LAST USED      EXPIRES
    tok_01  cortex-cli/0.1.0  3h ago     now, this one  in 30d
    tok_02  cortex-cli/0.1.0  3h ago     5m ago         in 30d
    ");
    let grant = GrantInfo { user: "usr_02".into(), name: "bob".into(), access: "manage".into() };
    insta::assert_snapshot!(table(&[grant]), @r"
    USER  ACCESS  ID
    bob   manage  usr_02
    ");
    insta::assert_snapshot!(details(&token(None)), @r"
    Id:       tok_01
    Name:     ci
    Owner:    usr_01
    Scopes:   read,exec
    Created:  2026-11-22T11:00:00Z
    Expires:  never
    ");
}

#[test]
fn invites() {
    let invite = |state: &str| InviteInfo {
        id: "inv_01".into(),
        name: "lab-1".into(),
        labels: BTreeMap::new(),
        state: state.into(),
        created_at: "2026-11-22T11:50:00Z".into(),
        expires_at: "2026-11-22T12:20:00Z".into(),
        node: None,
    };
    insta::assert_snapshot!(table(&[invite("open"), invite("used"), invite("expired")]), @r"
    ID      NAME   STATE    EXPIRES  NODE
    inv_01  lab-1  open     in 20m   -
    inv_01  lab-1  used     -        -
    inv_01  lab-1  expired  -        -
    ");
    insta::assert_snapshot!(details(&invite("open")), @r"
    Id:       inv_01
    Name:     lab-1
    State:    open
    Labels:   -
    Created:  2026-11-22T11:50:00Z
    Expires:  in 20m
    Node:     -
    ");
}

#[test]
fn a_node_that_cannot_take_a_task_says_all_its_reasons() {
    let fit = |name: &str, messages: &[&str]| FitInfo {
        node: "nod_01".into(),
        name: name.into(),
        fits: messages.is_empty(),
        reasons: messages
            .iter()
            .map(|message| ReasonInfo {
                code: "requirement".into(),
                message: (*message).into(),
                condition: None,
            })
            .collect(),
        kept: false,
    };
    let reasons = ["gpu.memory is 8 GiB, needs at least 16 GiB", "it is offline"];
    insta::assert_snapshot!(table(&[fit("build-1", &[]), fit("lab-7", &reasons)]), @r"
    NAME     FITS  WHY NOT
    build-1  yes   -
    lab-7    no    gpu.memory is 8 GiB, needs at least 16 GiB; it is offline
    ");
    let explanation = ExplanationInfo {
        task: "tsk_01".into(),
        state: "queued".into(),
        message: "it waits: a slot is kept for it, which its node has to claim".into(),
        node: None,
        waiting: Some(WaitInfo { ahead: 2, code: "claim".into(), message: String::new() }),
        nodes: vec![FitInfo { kept: true, ..fit("build-1", &[]) }],
    };
    insta::assert_snapshot!(details(&explanation), @r"
    Task:           tsk_01
    State:          queued
    Why:            it waits: a slot is kept for it, which its node has to claim
    Own before it:  2
    ");
    insta::assert_snapshot!(table(&explanation.nodes), @r"
    NAME     FITS                 WHY NOT
    build-1  yes, a slot is kept  -
    ");
}
