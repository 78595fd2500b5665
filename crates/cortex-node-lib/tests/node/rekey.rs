//! The identity key is replaced: whatever is cut off, and wherever, the node goes on as itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cortex_core::ErrorKind;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::TaskSpec;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::Status;

use crate::hub::FakeHub;
use crate::hub::LIMIT;
use crate::hub::Rekeys;

const KEY: &str = "identity.key";
const NEXT: &str = "identity-next.key";

/// A hub, and a directory in which a node has enrolled with it and was stopped.
async fn enrolled(dir: &Path) -> FakeHub {
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir);
    drop(hub.link().await);
    running.stop().await.unwrap();
    hub
}

fn read(dir: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(dir.join(file)).ok()
}

fn known(hub: &FakeHub) -> [u8; 32] {
    hub.state.identity.lock().unwrap().unwrap()
}

async fn rotate(hub: &FakeHub, dir: &Path) -> cortex_core::Result<[u8; 32]> {
    let (_, mut driver) = NodeBuilder::new(hub.config(dir)).build().unwrap();
    driver.rotate_identity().await
}

/// The node comes online and works, with the key that the hub knows.
async fn works(hub: &mut FakeHub, dir: &Path) {
    let running = hub.run(dir);
    let mut link = hub.link().await;
    let task = link.submit(TaskSpec::argv(["echo", "on"])).await;
    assert_eq!(link.settle(task).await.stdout, b"on\n");
    assert_eq!(read(dir, NEXT), None);
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_replaces_its_key_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut hub = enrolled(dir).await;
    let (before, old) = (known(&hub), read(dir, KEY).unwrap());
    let named = rotate(&hub, dir).await.unwrap();
    assert_eq!(known(&hub), named);
    assert_ne!(named, before);
    assert_ne!(read(dir, KEY).unwrap(), old);
    let mode = std::fs::metadata(dir.join(KEY)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    works(&mut hub, dir).await;
    assert_ne!(rotate(&hub, dir).await.unwrap(), named, "each time another one");
    works(&mut hub, dir).await;
}

/// Where it is cut off: before the hub hears of it, or before the node hears of the hub.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_cut_off_is_brought_to_its_end_by_the_next_start() {
    for cut in [Rekeys::Unheard, Rekeys::Lost] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut hub = enrolled(dir).await;
        let (before, old) = (known(&hub), read(dir, KEY));
        *hub.state.rekeys.lock().unwrap() = cut;
        let error = rotate(&hub, dir).await.expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let next = read(dir, NEXT).expect("it is on the disk");
        assert_eq!(read(dir, KEY), old, "and so is the old one");
        assert_eq!(known(&hub) == before, cut == Rekeys::Unheard);

        // The next start asks until it is answered, and opens no stream before.
        let running = hub.run(dir);
        let mut status = running.node.status();
        let waits = status.wait_for(|status| matches!(status, Status::Waiting { .. }));
        tokio::time::timeout(LIMIT, waits).await.expect("it asks again").unwrap();
        assert_eq!((read(dir, KEY), read(dir, NEXT)), (old, Some(next.clone())));
        running.crash(dir).await;
        *hub.state.rekeys.lock().unwrap() = Rekeys::Answered;
        works(&mut hub, dir).await;
        assert_ne!(known(&hub), before);
        assert_eq!(read(dir, KEY), Some(next), "{cut:?}: the very key that was begun with");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_for_once_more_it_is_the_same_change() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut hub = enrolled(dir).await;
    *hub.state.rekeys.lock().unwrap() = Rekeys::Lost;
    rotate(&hub, dir).await.unwrap_err();
    let changed = known(&hub);
    *hub.state.rekeys.lock().unwrap() = Rekeys::Answered;
    assert_eq!(rotate(&hub, dir).await.unwrap(), changed);
    works(&mut hub, dir).await;
}

/// A crash while the key is written leaves a part of a file beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_key_is_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut hub = enrolled(dir).await;
    let before = known(&hub);
    std::fs::write(dir.join("identity-next.new"), "0707").unwrap();
    works(&mut hub, dir).await;
    assert_eq!(known(&hub), before, "nothing has happened");
    rotate(&hub, dir).await.unwrap();
    assert_ne!(known(&hub), before);
    works(&mut hub, dir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_declines_leaves_the_node_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut hub = enrolled(dir).await;
    let before = known(&hub);
    *hub.state.rekeys.lock().unwrap() = Rekeys::Declined;
    let error = rotate(&hub, dir).await.expect_err("declined");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Exhausted, "too_many_identity_keys"));
    assert_eq!((known(&hub), read(dir, NEXT)), (before, None));
    // Also at the next start, if the answer did not come in time for the command.
    std::fs::write(dir.join(NEXT), "07".repeat(32)).unwrap();
    works(&mut hub, dir).await;
    assert_eq!(known(&hub), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_removed_meanwhile_erases_both_keys() {
    for at_start in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let hub = enrolled(dir).await;
        std::fs::write(dir.join(NEXT), "07".repeat(32)).unwrap();
        *hub.state.revoked.lock().unwrap() = true;
        // What nobody has signed is not believed.
        *hub.state.signs_removal.lock().unwrap() = false;
        assert_eq!(rotate(&hub, dir).await.unwrap_err().code(), "node_revoked");
        assert!(dir.join(KEY).exists() && dir.join(NEXT).exists());
        *hub.state.signs_removal.lock().unwrap() = true;
        let error = match at_start {
            true => hub.run(dir).ended().await.expect_err("removed"),
            false => rotate(&hub, dir).await.expect_err("removed"),
        };
        assert_eq!(error.code(), "node_revoked");
        for file in [KEY, NEXT, "enrolment.json"] {
            assert!(!dir.join(file).exists(), "{file} is erased");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_runs_or_never_enrolled_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    assert_eq!(rotate(&hub, dir).await.unwrap_err().code(), "not_enrolled");
    let running = hub.run(dir);
    let link = hub.link().await;
    let error = NodeBuilder::new(hub.config(dir)).build().expect_err("it runs");
    assert_eq!(error.code(), "data_dir_in_use");
    drop(link);
    running.stop().await.unwrap();
}
