//! The architecture's rules, executed: which crate and which module may import which, how long a
//! file may be, what it may be called, and which names it may not say.
//!
//! The rules themselves are data in `floors/table.rs`. Every check is a pure function over
//! sources or a graph, so that the tests beside it can plant a fault and see it refused; the tests
//! in this file run the checks on the workspace as it is.

#[path = "floors/files.rs"]
mod files;
#[path = "floors/imports.rs"]
mod imports;
#[path = "floors/lexer.rs"]
mod lexer;
#[path = "floors/modules.rs"]
mod modules;
#[path = "floors/packages.rs"]
mod packages;
#[path = "floors/source.rs"]
mod source;
#[path = "floors/table.rs"]
mod table;
#[path = "floors/test_code.rs"]
mod test_code;

use std::path::Path;

use crate::packages::Graph;
use crate::source::Sources;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Sources {
    let sources = Sources::load(root()).expect("the workspace's sources can be read");
    // A wrong folder would make every check below pass on nothing.
    let own = concat!("tests/", "floors.rs");
    assert!(sources.files().any(|file| file.path == own), "{own} is not among the sources");
    sources
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} found:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn packages_stand_on_lower_floors_only() {
    let graph = Graph::load(root()).expect("cargo can describe the workspace");
    assert_none(&packages::check(&graph, table::PACKAGES));
}

#[test]
fn every_package_of_the_table_exists() {
    let graph = Graph::load(root()).expect("cargo can describe the workspace");
    let names: Vec<&str> = graph.members().collect();
    for package in table::PACKAGES {
        assert!(names.contains(&package.name), "no package `{}` in {names:?}", package.name);
    }
}

#[test]
fn modules_import_lower_floors_only() {
    assert_none(&modules::check(&sources(), table::MODULES));
}

#[test]
fn every_crate_of_the_tables_has_sources() {
    let sources = sources();
    let floors = table::MODULES.iter().map(|floors| floors.krate);
    let bans = table::BANS.iter().flat_map(|ban| ban.crates.iter().copied());
    for krate in floors.chain(bans) {
        assert!(!sources.modules(krate).is_empty(), "crates/{krate}/src has no modules");
    }
}

#[test]
fn files_are_short() {
    assert_none(&files::check_lengths(&sources(), table::MOST_LINES));
}

#[test]
fn file_names_say_something() {
    assert_none(&files::check_names(&sources()));
}

#[test]
fn banned_names_stay_out() {
    assert_none(&files::check_bans(&sources(), table::BANS));
}
