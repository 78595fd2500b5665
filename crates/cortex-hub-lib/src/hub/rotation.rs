//! Replacing keys without stopping work: authorities and signing keys, step by step.

use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::ring::Act;
use cortex_core::timestamp::Timestamp;

use super::Hub;
use super::denied_error;
use crate::audit::Note;
use crate::clock;
use crate::trust::Purpose;
use crate::trust::RingState;
use crate::trust::Step;

/// The most names that a refusal lists.
const MOST_NAMES: usize = 8;

/// The hub's keys, and how far the nodes know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustState {
    /// Grows with each change.
    pub serial: u64,
    /// The public half of the trust anchor, which signs what nodes are to trust.
    pub anchor: [u8; 32],
    /// The rings of keys.
    pub rings: Vec<RingState>,
    /// How many nodes are connected.
    pub nodes_online: usize,
    /// Names of connected nodes that have not got the newest keys yet.
    pub nodes_behind: Vec<String>,
}

impl Hub {
    /// The hub's keys, and how far the nodes know them. For admins.
    ///
    /// # Errors
    /// `Denied`: `who` is no admin, or the credential may not manage.
    pub fn trust_state(&self, who: &Principal) -> Result<TrustState> {
        who.administers().map_err(denied_error)?;
        Ok(self.look_at_trust())
    }

    /// Takes a step of a rotation, and returns the keys as they then are. For admins.
    ///
    /// Connected nodes are told at once; the others when they come back. A tainted key is revoked
    /// by itself when its time is over. `force` activates a key that not all connected nodes have
    /// yet, or revokes one before its time is over.
    ///
    /// # Errors
    /// `Denied`: `who` is no admin, or the credential may not manage. `Precondition`: it is not
    /// this step's turn (code `rotation_order`), connected nodes have not got the next key yet
    /// (`nodes_behind`), the tainted key's time is not over (`still_accepted`), or the data
    /// directory cannot be written.
    pub async fn turn_trust(
        &self,
        who: &Principal,
        purpose: Purpose,
        act: Act,
        force: bool,
    ) -> Result<TrustState> {
        who.administers().map_err(denied_error)?;
        if act == Act::Activate && !force {
            check_behind(purpose, &self.look_at_trust().nodes_behind)?;
        }
        self.turn(Actor::User(who.user), purpose, act, force).await?;
        tracing::info!(user = %who.user, %purpose, %act, force, "keys changed");
        Ok(self.look_at_trust())
    }

    /// Revokes the keys whose time is over.
    pub(crate) async fn end_taints(&self, now: Timestamp) {
        for purpose in self.trust().overdue(now) {
            match self.turn(Actor::Hub, purpose, Act::Revoke, false).await {
                Ok(()) => tracing::info!(%purpose, "the former key is revoked"),
                Err(error) => tracing::error!(%purpose, %error, "a key is not revoked yet"),
            }
        }
    }

    /// Takes a step and records it. Keys are in files, so the record comes behind the step.
    async fn turn(&self, actor: Actor, purpose: Purpose, act: Act, early: bool) -> Result<()> {
        let words = if early { format!("{purpose}, forced") } else { purpose.to_string() };
        let note = Note::of(actor, action_of(act), Object::Hub).detail(words);
        let (hub, recorder) = (self.clone(), self.clone());
        let turning = tokio::task::spawn_blocking(move || {
            let now = clock::now();
            let step = Step { purpose, act, until: now + hub.overlap(purpose), early };
            hub.trust().turn(&step, now)
        });
        let turned = async move {
            turning.await.unwrap_or_else(|failure| {
                let message = "the change of keys broke off";
                Err(Error::new(ErrorKind::Internal, "rotate keys", message).with_source(failure))
            })
        };
        self.finish(async move { recorder.recorded(note, turned).await }).await
    }

    fn overlap(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::Ca => self.config().rotation.ca_overlap(),
            Purpose::Signing => self.config().rotation.signing_overlap(),
        }
    }

    fn look_at_trust(&self) -> TrustState {
        let serial = self.trust().serial();
        let links = self.links().all();
        let behind = links.iter().filter(|link| !link.has_adopted(serial));
        let mut nodes_behind: Vec<String> = behind.map(|link| link.node().name.clone()).collect();
        nodes_behind.sort();
        TrustState {
            serial,
            anchor: self.trust().signer().anchor().to_bytes(),
            rings: self.trust().rings(),
            nodes_online: links.len(),
            nodes_behind,
        }
    }
}

/// What a step is recorded as.
fn action_of(act: Act) -> Action {
    match act {
        Act::Prepare => Action::TrustPrepare,
        Act::Activate => Action::TrustActivate,
        Act::Taint => Action::TrustTaint,
        Act::Revoke => Action::TrustRevoke,
        Act::Rollback => Action::TrustRollback,
    }
}

fn check_behind(purpose: Purpose, behind: &[String]) -> Result<()> {
    if behind.is_empty() {
        return Ok(());
    }
    let mut names = behind[..behind.len().min(MOST_NAMES)].join(", ");
    if behind.len() > MOST_NAMES {
        names.push_str(&format!(" and {} more", behind.len() - MOST_NAMES));
    }
    let message = format!("connected nodes have not got the next {purpose} key yet: {names}");
    Err(Error::new(ErrorKind::Precondition, "rotate keys", message)
        .with_code("nodes_behind")
        .with_hint(
            "wait until cortex-cli trust status shows none behind, or use --force: they then get \
             it when they come back",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_is_named_up_to_a_limit() {
        check_behind(Purpose::Ca, &[]).unwrap();
        let names: Vec<String> = (0..10).map(|number| format!("lab-{number}")).collect();
        let error = check_behind(Purpose::Ca, &names[..2]).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Precondition, "nodes_behind"));
        assert!(error.message().ends_with(": lab-0, lab-1"), "{error}");
        let error = check_behind(Purpose::Ca, &names).unwrap_err();
        assert!(error.message().ends_with("lab-7 and 2 more"), "{error}");
    }
}
