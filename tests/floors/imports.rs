//! Finds which of its crate's top modules a module reaches for.

use crate::lexer::Kind;
use crate::lexer::Token;
use crate::source::Module;

/// One mention of a top module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import<'a> {
    /// The name behind `crate::`; `*` for all of them.
    pub(crate) name: &'a str,
    /// The line of the mention.
    pub(crate) line: usize,
}

/// Returns every top module that `module` names, in `use` items and in paths elsewhere, through
/// `crate::` or through enough `super::` to reach the crate's root.
pub(crate) fn imports<'a>(module: &Module<'a>) -> Vec<Import<'a>> {
    let tokens = &module.tokens;
    let mut out = Vec::new();
    // How deep in inline modules, and at which brace depth each of them began.
    let mut inline = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('{') => {
                depth += 1;
                if begins_module(&tokens[..at]) {
                    inline.push(depth);
                }
            }
            Kind::Sign('}') => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            Kind::Word("crate") if begins_path(tokens, at) => {
                tree(&tokens[at + 2..], 0, &mut out);
            }
            Kind::Word("super") if begins_path(tokens, at) => {
                let level = module.names.len() + inline.len();
                tree(&tokens[at..], level, &mut out);
            }
            Kind::Word(_) | Kind::Sep | Kind::Sign(_) => {}
        }
    }
    out
}

fn kind<'a>(tokens: &[Token<'a>], at: usize) -> Option<Kind<'a>> {
    tokens.get(at).map(|token| token.kind)
}

/// Whether a brace behind `tokens` opens an inline module.
fn begins_module(tokens: &[Token<'_>]) -> bool {
    let mut last = tokens.iter().rev().map(|token| token.kind);
    matches!((last.next(), last.next()), (Some(Kind::Word(_)), Some(Kind::Word("mod"))))
}

/// Whether the word at `at` is the first name of a path (`self::` in front of it does not count).
fn begins_path(tokens: &[Token<'_>], at: usize) -> bool {
    let behind_self = at >= 2 && kind(tokens, at - 2) == Some(Kind::Word("self"));
    let first = at == 0 || kind(tokens, at - 1) != Some(Kind::Sep) || behind_self;
    first && kind(tokens, at + 1) == Some(Kind::Sep)
}

/// Walks one path or `use` tree that begins `level` modules below the crate's root; adds the names
/// that stand at the root, and returns how many tokens it has read.
fn tree<'a>(tokens: &[Token<'a>], mut level: usize, out: &mut Vec<Import<'a>>) -> usize {
    let mut at = 0;
    loop {
        match (kind(tokens, at), kind(tokens, at + 1)) {
            (Some(Kind::Word("super")), Some(Kind::Sep)) => {
                level = level.saturating_sub(1);
                at += 2;
            }
            (Some(Kind::Word("self")), Some(Kind::Sep)) => at += 2,
            (Some(Kind::Sign('{')), _) => return group(tokens, at, level, out),
            (Some(Kind::Word("super" | "self")), _) | (None, _) => return at + 1,
            (Some(Kind::Word(name)), _) => {
                if level == 0 {
                    out.push(Import { name, line: tokens[at].line });
                }
                return at + 1;
            }
            (Some(Kind::Sign('*')), _) => {
                if level == 0 {
                    out.push(Import { name: "*", line: tokens[at].line });
                }
                return at + 1;
            }
            (Some(Kind::Sep | Kind::Sign(_)), _) => return at + 1,
        }
    }
}

/// Walks the trees in the braces that open at `at`.
fn group<'a>(tokens: &[Token<'a>], at: usize, level: usize, out: &mut Vec<Import<'a>>) -> usize {
    let mut at = at + 1;
    let mut first = true;
    let mut depth = 0_usize;
    while let Some(next) = kind(tokens, at) {
        match next {
            Kind::Sign('}') if depth == 0 => return at + 1,
            Kind::Sign('}') => depth -= 1,
            Kind::Sign('{') if !first => depth += 1,
            Kind::Sign(',') if depth == 0 => {
                first = true;
                at += 1;
                continue;
            }
            _ if first && depth == 0 => {
                first = false;
                at += tree(&tokens[at..], level, out);
                continue;
            }
            Kind::Word(_) | Kind::Sep | Kind::Sign(_) => {}
        }
        at += 1;
    }
    at
}

mod tests {
    use super::imports;
    use crate::source::Sources;

    /// What the text imports if it stands in `src/{file}`.
    fn names(file: &str, text: &str) -> Vec<String> {
        let path = format!("crates/a/src/{file}");
        let sources = Sources::of(&[(&path, text)]);
        let modules = sources.modules("a");
        let names = modules.iter().flat_map(imports).map(|import| import.name.to_owned());
        names.collect()
    }

    #[test]
    fn reads_use_items_and_paths() {
        let text = "use crate::one::Thing;\npub use crate::two;\nuse std::fmt;\n\
             fn f(x: crate::three::X) { $crate::four::y(); other::crate_::z() }";
        assert_eq!(names("a.rs", text), ["one", "two", "three", "four"]);
    }

    #[test]
    fn reads_grouped_trees() {
        let text =
            "use crate::{one::{a, b::{c, d}}, two, self, three::*, {four, five::e}}; use crate::*;";
        assert_eq!(names("a.rs", text), ["one", "two", "three", "four", "five", "*"]);
    }

    #[test]
    fn follows_super_up_to_the_root() {
        assert_eq!(names("a.rs", "use super::one::X; use self::inner::Y;"), ["one"]);
        assert_eq!(names("a/b.rs", "use super::own::X; use super::super::one::Y;"), ["one"]);
        assert_eq!(names("a/b.rs", "use super::{own, super::{one, two::T}};"), ["one", "two"]);
        assert_eq!(names("a/mod.rs", "use self::super::one::X;"), ["one"]);
        assert_eq!(names("lib.rs", "use self::one::X;"), [""; 0]);
    }

    #[test]
    fn counts_inline_modules() {
        let text =
            "mod inner { use super::own; fn f() { super::super::one::g() } } use super::two;";
        assert_eq!(names("a.rs", text), ["one", "two"]);
    }

    #[test]
    fn takes_visibility_for_no_import() {
        assert_eq!(names("a/b.rs", "pub(crate) fn f() {} pub(super) fn g() {}"), [""; 0]);
    }

    #[test]
    fn leaves_out_test_code() {
        let text = "use crate::one::X; #[cfg(test)] mod tests { use crate::two::Y; }";
        assert_eq!(names("a.rs", text), ["one"]);
    }
}
