//! Rings on the disk: whatever a kill leaves behind, the next start has the rings before the change
//! or those after it, whole.

use cortex_core::ring::Act;
use cortex_core::ring::Phase;

use super::*;
use crate::trust::Purpose;

fn step(purpose: Purpose, act: Act) -> Step {
    Step { purpose, act, until: NOW + Duration::from_secs(10), early: true }
}

fn names(data_dir: &Path) -> Vec<String> {
    let mut names = files::names(&data_dir.join(FOLDER)).unwrap();
    names.sort();
    names
}

#[test]
fn every_phase_survives_a_restart_and_leaves_no_key_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut vault = Vault::open(dir.path(), NOW).unwrap();
    let first = secrets(&vault.rings());
    for purpose in Purpose::ALL {
        for act in [Act::Prepare, Act::Activate, Act::Taint, Act::Rollback, Act::Activate] {
            vault.turn(&step(purpose, act), NOW).unwrap();
            let before = secrets(&vault.rings());
            vault = Vault::open(dir.path(), NOW).unwrap();
            assert_eq!(secrets(&vault.rings()), before, "{purpose} {act}");
        }
        for act in [Act::Taint, Act::Revoke] {
            vault.turn(&step(purpose, act), NOW).unwrap();
        }
    }
    vault = Vault::open(dir.path(), NOW).unwrap();
    let last = secrets(&vault.rings());
    assert!(
        first
            .iter()
            .all(|(name, _)| !last.iter().any(|(kept, _)| kept == name) || name == "rings.json")
    );
    assert_eq!(names(dir.path()).len(), FILES.len());
    assert!(
        names(dir.path()).iter().all(|name| mode(&dir.path().join(FOLDER).join(name)) == 0o600)
    );
}

/// Runs a change as far as `steps` writes and removals, and then as a kill would leave it.
fn killed_after(steps: usize, folder: &Path, before: &Rings, after: &Rings) {
    let mut left = steps;
    let mut goes_on = || {
        let goes_on = left > 0;
        left = left.saturating_sub(1);
        goes_on
    };
    for file in layout::added(before, after) {
        if !goes_on() {
            // In the middle of writing it.
            fs::write(folder.join(format!("{}.new", file.name)), "-----BEG").unwrap();
            return;
        }
        files::put(folder, &file.name, file.content.as_bytes()).unwrap();
    }
    if !goes_on() {
        fs::write(folder.join("rings.json.new"), "{").unwrap();
        return;
    }
    files::put(folder, layout::RINGS, &layout::write(after)).unwrap();
    for name in layout::removed(before, after) {
        if goes_on() {
            files::remove(folder, &name).unwrap();
        }
    }
}

#[test]
fn a_kill_at_any_point_leaves_the_rings_before_or_after() {
    for purpose in Purpose::ALL {
        let (mut seen_before, mut seen_after) = (0, 0);
        for act in [Act::Prepare, Act::Activate, Act::Taint, Act::Revoke, Act::Rollback] {
            for steps in 0..4 {
                let dir = tempfile::tempdir().unwrap();
                let vault = Vault::open(dir.path(), NOW).unwrap();
                // As far as this act has its turn.
                let whole = [Act::Prepare, Act::Activate, Act::Taint, Act::Revoke];
                let way = whole.iter().take_while(|other| **other != act && act != Act::Rollback);
                way.for_each(|act| vault.turn(&step(purpose, *act), NOW).unwrap());
                if act == Act::Rollback {
                    vault.turn(&step(purpose, Act::Prepare), NOW).unwrap();
                }
                let before = vault.rings();
                let after = before.after(vault.hub, &step(purpose, act), NOW).unwrap();
                drop(vault);
                killed_after(steps, &dir.path().join(FOLDER), &before, &after);
                let found = secrets(&Vault::open(dir.path(), NOW).unwrap().rings());
                if found == secrets(&before) {
                    seen_before += 1;
                } else {
                    assert_eq!(found, secrets(&after), "{purpose} {act} {steps}");
                    seen_after += 1;
                }
                let mut expected: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
                expected.extend([HUB, TOKEN_KEY, ANCHOR].map(str::to_owned));
                expected.sort();
                assert_eq!(names(dir.path()), expected, "{purpose} {act} {steps}");
            }
        }
        assert!(seen_before > 4 && seen_after > 4);
    }
}

#[test]
fn a_vault_of_the_first_layout_is_a_ring_with_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let before = secrets(&Vault::open(dir.path(), NOW).unwrap().rings());
    let folder = dir.path().join(FOLDER);
    fs::remove_file(folder.join(layout::RINGS)).unwrap();
    fs::remove_file(folder.join(ANCHOR)).unwrap();
    let vault = Vault::open(dir.path(), NOW).unwrap();
    assert_eq!(secrets(&vault.rings()), before);
    let anchor = vault.anchor.clone();
    vault.turn(&step(Purpose::Ca, Act::Prepare), NOW).unwrap();
    assert_eq!(Vault::open(dir.path(), NOW).unwrap().anchor, anchor);
    // Once there was a rotation, a missing file is a missing file.
    fs::remove_file(folder.join(layout::RINGS)).unwrap();
    assert_eq!(refusal(dir.path()).code(), "trust_incomplete");
}

#[test]
fn a_missing_anchor_is_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    Vault::open(dir.path(), NOW).unwrap();
    fs::remove_file(dir.path().join(FOLDER).join(ANCHOR)).unwrap();
    assert_eq!(refusal(dir.path()).code(), "trust_incomplete");
}

#[test]
fn a_refused_or_failed_step_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(dir.path(), NOW).unwrap();
    let before = secrets(&vault.rings());
    let refused = vault.turn(&step(Purpose::Ca, Act::Activate), NOW).unwrap_err();
    assert_eq!(refused.code(), "rotation_order");
    fs::rename(dir.path().join(FOLDER), dir.path().join("away")).unwrap();
    vault.turn(&step(Purpose::Ca, Act::Prepare), NOW).unwrap_err();
    assert_eq!(secrets(&vault.rings()), before);
    fs::rename(dir.path().join("away"), dir.path().join(FOLDER)).unwrap();
    vault.turn(&step(Purpose::Ca, Act::Prepare), NOW).unwrap();
    let phases: Vec<Phase> = vault.rings().ca.members().map(|(_, phase)| phase).collect();
    assert_eq!(phases, [Phase::Active, Phase::Prepared]);
}
