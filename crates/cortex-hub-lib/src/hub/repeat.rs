//! Requests that are sent twice under one idempotency key have one effect.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use sha2::Digest as _;
use sha2::Sha256;

use super::Hub;
use crate::clock;

/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 128;

/// The answer to a repeat that asks for something else.
pub(super) fn mismatch() -> Error {
    let message = "this idempotency key was used for another request";
    Error::new(ErrorKind::Invalid, "repeat request", message)
        .with_code("idempotency_mismatch")
        .with_hint("use a new key for a new request")
}

impl Hub {
    /// The id of the task that was or will be made under `key`.
    ///
    /// The key is stored before the task: a crash in between leaves an id that the repeat uses.
    pub(super) async fn repeatable_task(
        &self,
        by: UserId,
        key: &str,
        body: &[u8],
    ) -> Result<TaskId> {
        if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let message = "an idempotency key has 1 to 128 visible ASCII characters";
            return Err(Error::new(ErrorKind::Invalid, "repeat request", message)
                .with_code("bad_idempotency_key"));
        }
        let digest: [u8; 32] = Sha256::digest(body).into();
        let fresh = TaskId::generate();
        let kept = self.inner.store.repeats().keep(by, key, digest, fresh, clock::now()).await?;
        crash_point!("hub::key-kept");
        if kept.digest == digest { Ok(kept.task) } else { Err(mismatch()) }
    }
}
