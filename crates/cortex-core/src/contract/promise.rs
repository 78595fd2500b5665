//! How a case says which promise is broken.

use std::fmt::Debug;

use crate::error::Kind;
use crate::error::Result;

/// Takes the value of an operation that the contract promises to succeed.
#[track_caller]
pub(super) fn kept<T>(result: Result<T>, promise: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("broken promise: {promise}; found: {error} ({:?})", error.kind()),
    }
}

/// Takes the failure of an operation that the contract promises to fail with this kind.
#[track_caller]
pub(super) fn refused<T: Debug>(result: Result<T>, kind: Kind, promise: &str) {
    match result {
        Err(error) if error.kind() == kind => {}
        Err(error) => {
            panic!("broken promise: {promise}, as {kind:?}; found: {error} ({:?})", error.kind())
        }
        Ok(value) => panic!("broken promise: {promise}, as {kind:?}; found: Ok({value:?})"),
    }
}

/// Like [`refused`], and the failure has this code.
#[track_caller]
pub(super) fn refused_as<T: Debug>(result: Result<T>, kind: Kind, code: &str, promise: &str) {
    if let Err(error) = &result
        && error.code() != code
    {
        let found = error.code();
        panic!("broken promise: {promise}, with code {code}; found: {error} ({found})");
    }
    refused(result, kind, promise);
}

/// Holds that two values are equal.
#[track_caller]
pub(super) fn same<T: PartialEq + Debug>(found: &T, promised: &T, promise: &str) {
    assert!(
        found == promised,
        "broken promise: {promise}\n  found: {found:?}\npromised: {promised:?}"
    );
}

/// Holds that exactly one of several racing writers succeeded, and returns what it got; the
/// others are refused with this kind, and this code where one is given.
#[track_caller]
pub(super) fn one_winner<T: Debug>(
    results: Vec<Result<T>>,
    kind: Kind,
    code: Option<&str>,
    promise: &str,
) -> T {
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert!(won.len() == 1, "broken promise: {promise}; found: {} winners", won.len());
    for result in lost {
        match code {
            Some(code) => refused_as(result, kind, code, promise),
            None => refused(result, kind, promise),
        }
    }
    let winner = won.into_iter().next().expect("there is one");
    winner.expect("it won")
}
