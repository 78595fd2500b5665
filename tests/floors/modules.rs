//! Checks that imports between the modules of a crate go down only.

use crate::imports::imports;
use crate::source::Module;
use crate::source::Sources;
use crate::table::Floors;

/// Returns one sentence for every import that does not go down, and for every module that has no
/// floor.
pub(crate) fn check(sources: &Sources, table: &[Floors]) -> Vec<String> {
    table.iter().flat_map(|floors| check_crate(&sources.modules(floors.krate), floors)).collect()
}

fn check_crate(modules: &[Module<'_>], table: &Floors) -> Vec<String> {
    let mut faults = Vec::new();
    for module in modules {
        // `lib.rs` stands above every floor.
        let Some(own) = module.top() else { continue };
        let Some(own_floor) = floor(table, own) else {
            faults.push(format!(
                "{}: the module `{own}` has no floor in {}; add it to MODULES in \
                 tests/floors/table.rs and to ARCHITECTURE.md",
                module.path, table.krate,
            ));
            continue;
        };
        for import in imports(module) {
            let place = format!("{}:{}", module.path, import.line);
            match floor(table, import.name) {
                _ if import.name == own => {}
                None => faults.push(format!(
                    "{place}: `crate::{}` is no module with a floor; name the module that owns it, \
                     not a re-export of lib.rs, or add it to MODULES in tests/floors/table.rs",
                    import.name,
                )),
                Some(other) if other == own_floor => faults.push(format!(
                    "{place}: `{own}` imports `{}`, which stands on the same floor; move what both \
                     need to a lower one, or join them by a channel from above",
                    import.name,
                )),
                Some(other) if other < own_floor => faults.push(format!(
                    "{place}: `{own}` imports `{}`, which stands above it; imports go down only",
                    import.name,
                )),
                Some(_) => {}
            }
        }
    }
    faults
}

/// How far below the top the module stands.
fn floor(table: &Floors, module: &str) -> Option<usize> {
    table.floors.iter().position(|floor| floor.contains(&module))
}

mod tests {
    use super::check;
    use crate::source::Sources;
    use crate::table::Floors;

    const TABLE: &[Floors] =
        &[Floors { krate: "a", floors: &[&["top"], &["left", "right"], &["low"]] }];

    fn faults(file: &str, text: &str) -> Vec<String> {
        check(&Sources::of(&[(&format!("crates/a/src/{file}"), text)]), TABLE)
    }

    #[test]
    fn lets_imports_go_down() {
        let text = "use crate::low::X;\nuse super::low;\nuse crate::left::own;\nuse std::fmt;";
        assert_eq!(faults("left.rs", text), [""; 0]);
        assert_eq!(faults("lib.rs", "mod unknown; pub use crate::unknown::X;"), [""; 0]);
        assert_eq!(faults("low.rs", "#[cfg(test)] mod tests { use crate::top; }"), [""; 0]);
    }

    #[test]
    fn refuses_an_import_that_goes_up() {
        let found = faults("low.rs", "\nuse crate::left::X;");
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("crates/a/src/low.rs:2: `low` imports `left`, which stands above")
        );
    }

    #[test]
    fn refuses_an_import_from_the_same_floor() {
        let found = faults("left/deep.rs", "fn f() { crate::right::g() }");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`left` imports `right`, which stands on the same floor"));
        assert_eq!(faults("left/deep.rs", "use super::super::right::g;").len(), 1);
    }

    #[test]
    fn refuses_modules_without_a_floor() {
        let found = faults("new.rs", "");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("the module `new` has no floor in a; add it to MODULES"));
    }

    #[test]
    fn refuses_imports_through_the_root() {
        assert!(faults("left.rs", "use crate::Thing;")[0].contains("`crate::Thing` is no module"));
        assert!(faults("left.rs", "use crate::*;")[0].contains("`crate::*` is no module"));
    }
}
