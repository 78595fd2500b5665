//! What the tests of the suites share: backends with faults, and what the suites say of them.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// What a suite says when it fails; `None` when it passes.
pub(super) async fn complaint(suite: impl Future<Output = ()>) -> Option<String> {
    let panic = AssertUnwindSafe(suite).catch_unwind().await.err()?;
    let fixed = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = fixed.or_else(|| panic.downcast::<String>().ok().map(|text| *text));
    Some(said.expect("the suite says what is wrong"))
}

/// Lets the other futures of the same task run once.
pub(super) async fn step_aside() {
    let mut is_first = true;
    std::future::poll_fn(move |context| {
        if !std::mem::take(&mut is_first) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
