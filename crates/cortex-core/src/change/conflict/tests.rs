//! Tests of the conflict rule.

use proptest::prelude::*;

use super::*;
use crate::digest::ContentId;
use crate::path::LinkTarget;
use crate::tree::arbitrary;

fn file(text: &str, executable: bool) -> Entry {
    let content = ContentId::of(text.as_bytes());
    Entry::File(File { content, executable, modified_ns: None })
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect(text)
}

const DIRECTORY: Entry = Entry::Directory;

#[test]
fn an_unchanged_side_gives_way() {
    let (old, new) = (file("old", false), file("new", false));
    assert_eq!(resolve(Some(&old), Some(&new), Some(&new)), Resolution::Settled);
    assert_eq!(resolve(Some(&old), None, None), Resolution::Settled);
    assert_eq!(resolve(Some(&old), Some(&old), Some(&new)), Resolution::Take(Side::Theirs));
    assert_eq!(resolve(Some(&old), Some(&old), None), Resolution::Take(Side::Theirs));
    assert_eq!(resolve(Some(&old), None, Some(&old)), Resolution::Take(Side::Ours));
    assert_eq!(resolve(None, Some(&new), None), Resolution::Take(Side::Ours));
}

#[test]
fn an_edit_beats_a_deletion() {
    let (old, new) = (file("old", false), file("new", false));
    assert_eq!(resolve(Some(&old), None, Some(&new)), Resolution::Take(Side::Theirs));
    assert_eq!(resolve(Some(&old), Some(&new), None), Resolution::Take(Side::Ours));
}

#[test]
fn of_two_edits_both_survive() {
    let (base, ours, theirs) = (file("base", false), file("ours", false), file("theirs", false));
    for base in [None, Some(&base), Some(&DIRECTORY)] {
        let resolution = resolve(base, Some(&ours), Some(&theirs));
        assert_eq!(resolution, Resolution::KeepBoth(Side::Theirs), "{base:?}");
    }
    let link = |text: &str| Entry::Symlink { target: LinkTarget::new(text).expect(text) };
    let links = resolve(None, Some(&link("a")), Some(&link("b")));
    assert_eq!(links, Resolution::KeepBoth(Side::Theirs));
}

#[test]
fn a_directory_keeps_its_name() {
    let other = file("x", false);
    let ours = resolve(None, Some(&DIRECTORY), Some(&other));
    assert_eq!(ours, Resolution::KeepBoth(Side::Ours));
    let theirs = resolve(None, Some(&other), Some(&DIRECTORY));
    assert_eq!(theirs, Resolution::KeepBoth(Side::Theirs));
    let deleted_by_them = resolve(None, Some(&DIRECTORY), None);
    assert_eq!(deleted_by_them, Resolution::Take(Side::Ours));
}

#[test]
fn content_and_executable_bit_are_merged_apart() {
    let base = file("old", false);
    let (edited, marked) = (file("new", false), file("old", true));
    let both = Resolution::Merge(file("new", true));
    assert_eq!(resolve(Some(&base), Some(&edited), Some(&marked)), both);
    assert_eq!(resolve(Some(&base), Some(&marked), Some(&edited)), both);
    let (plain, tool) = (file("same", false), file("same", true));
    assert_eq!(resolve(None, Some(&plain), Some(&tool)), Resolution::Take(Side::Theirs));
    assert_eq!(resolve(None, Some(&tool), Some(&plain)), Resolution::Take(Side::Ours));
}

#[test]
fn a_copy_lies_beside_its_path_and_keeps_the_extension() {
    let loser = file("loser", false);
    let hash = &loser.hash().to_string()[..8];
    let copy = |from: &str| copy_path(&path(from), "lab-7", &loser, 0).to_string();
    assert_eq!(copy("a/notes.txt"), format!("a/notes.conflict-lab-7-{hash}.txt"));
    assert_eq!(copy("a.tar.gz"), format!("a.tar.conflict-lab-7-{hash}.gz"));
    assert_eq!(copy("Makefile"), format!("Makefile.conflict-lab-7-{hash}"));
    assert_eq!(copy(".env"), format!(".env.conflict-lab-7-{hash}"));
    let strange = copy_path(&path("x"), "../é: ", &loser, 2);
    assert_eq!(strange.as_str(), format!("x.conflict--------{hash}-2"));
}

#[test]
fn a_copy_that_has_no_room_moves_up() {
    let loser = file("loser", false);
    let long_name = format!("{}.txt", "é".repeat(125));
    let copy = copy_path(&path(&long_name), "lab", &loser, 0);
    assert!(copy.name().len() <= RelPath::MAX_COMPONENT_LEN);
    assert!(copy.name().starts_with("éé") && copy.name().ends_with(".txt"));

    let device_when_cut = format!("nul{}x", " ".repeat(250));
    let copy = copy_path(&path(&device_when_cut), "lab", &loser, 0);
    assert!(copy.as_str().contains(" ~.conflict-lab-"), "{copy}");

    let deep = path(&format!("{}x", "abc/".repeat(1023)));
    let copy = copy_path(&deep, "lab", &loser, 0);
    let up = copy.parent().expect("there is room not far up");
    assert!(deep.is_below(&up));
    assert!(copy.name().starts_with("x.conflict-lab-"));
}

/// What is left at the path, and what is left beside it.
fn survivors<'a>(
    resolution: &'a Resolution,
    ours: Option<&'a Entry>,
    theirs: Option<&'a Entry>,
) -> Vec<&'a Entry> {
    let of = |side: &Side| if *side == Side::Ours { ours } else { theirs };
    match resolution {
        Resolution::Settled => ours.into_iter().collect(),
        Resolution::Take(side) => of(side).into_iter().collect(),
        Resolution::Merge(entry) => vec![entry],
        Resolution::KeepBoth(_) => ours.into_iter().chain(theirs).collect(),
    }
}

proptest! {
    #[test]
    fn no_edit_is_lost(
        base in proptest::option::of(arbitrary::entry()),
        ours in proptest::option::of(arbitrary::entry()),
        theirs in proptest::option::of(arbitrary::entry()),
    ) {
        let (base, ours, theirs) = (base.as_ref(), ours.as_ref(), theirs.as_ref());
        let resolution = resolve(base, ours, theirs);
        let survivors = survivors(&resolution, ours, theirs);
        for edit in [ours, theirs].into_iter().flatten() {
            let changed = base.is_none_or(|base| !base.matches(edit));
            let kept = survivors.iter().any(|entry| match (edit.content(), entry.content()) {
                (Some(edited), Some(kept)) => edited == kept,
                _ => entry.matches(edit),
            });
            let only_the_bit = base.is_some_and(|base| {
                base.content().is_some() && base.content() == edit.content()
            });
            prop_assert!(!changed || kept || only_the_bit, "{:?} of {:?}", edit, resolution);
        }
    }

    #[test]
    fn who_asks_does_not_change_what_survives(
        base in proptest::option::of(arbitrary::entry()),
        ours in proptest::option::of(arbitrary::entry()),
        theirs in proptest::option::of(arbitrary::entry()),
    ) {
        let (base, ours, theirs) = (base.as_ref(), ours.as_ref(), theirs.as_ref());
        let hashes = |resolution: &Resolution, ours, theirs| {
            let mut hashes: Vec<_> =
                survivors(resolution, ours, theirs).into_iter().map(Entry::hash).collect();
            hashes.sort_unstable();
            hashes
        };
        let here = hashes(&resolve(base, ours, theirs), ours, theirs);
        let there = hashes(&resolve(base, theirs, ours), theirs, ours);
        prop_assert_eq!(here, there);
    }

    #[test]
    fn a_copy_has_a_name_whatever_the_path(
        text in "[^\\x00-\\x1f]{1,300}",
        label in "\\PC{0,90}",
        loser in arbitrary::entry(),
        attempt: u32,
    ) {
        let Ok(path) = RelPath::new(text) else { return Ok(()) };
        let copy = copy_path(&path, &label, &loser, attempt);
        prop_assert_ne!(&copy, &path);
        prop_assert!(RelPath::new(copy.as_str()).is_ok());
        prop_assert_eq!(copy.parent(), path.parent());
        prop_assert_eq!(&copy, &copy_path(&path, &label, &loser, attempt));
    }
}
