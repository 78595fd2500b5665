//! Secrets that are given with a task: checked, and sealed before anything is stored.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::task::TaskSpec;

use super::Hub;

/// Checks a spec's secrets and notes their names, which are part of what is asked for.
///
/// # Errors
/// `Invalid`, code `bad_secret`: they would not be secret.
pub(super) fn name_secrets(spec: &mut TaskSpec) -> Result<()> {
    spec.given.check_beside(&spec.work).map_err(|error| {
        Error::new(ErrorKind::Invalid, "submit task", error.to_string()).with_code("bad_secret")
    })?;
    spec.secrets = spec.given.names();
    Ok(())
}

impl Hub {
    /// Puts seals in the place of a spec's secrets.
    ///
    /// # Errors
    /// `Internal`: the system gives no random bytes.
    pub(super) fn seal_secrets(&self, id: TaskId, spec: &mut TaskSpec) -> Result<()> {
        let given = std::mem::take(&mut spec.given);
        spec.sealed = match given.is_empty() {
            true => None,
            false => Some(self.trust().sealer().seal(id, &given)?),
        };
        Ok(())
    }
}
