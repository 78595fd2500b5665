//! The suite fails on backends that break a promise, each in its own way.

use std::sync::Arc;

use async_trait::async_trait;

use super::all;
use super::node_registry;
use super::node_registry_reopened;
use crate::contract::fault::complaint;
use crate::contract::fault::step_aside;
use crate::error::Kind;
use crate::error::Result;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::UserId;
use crate::invite::Fate;
use crate::invite::Invite;
use crate::invite::InviteError;
use crate::memory::MemoryNodeRegistry;
use crate::node::Node;
use crate::node::Presence;
use crate::node::Sighting;
use crate::registry::Enrolment;
use crate::registry::InviteAct;
use crate::registry::NodeChange;
use crate::registry::NodeFilter;
use crate::registry::NodeRegistry;
use crate::registry::refusal;
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    OverwritesInvites,
    WithdrawsUsedInvites,
    ListsOldestFirst,
    RevealsUnknownInvites,
    ForgetsRepeats,
    RepeatsForEver,
    UsesInvitesTwice,
    LooksThenEnrols,
    WastesInvites,
    SharesNames,
    AmendsInParts,
    HidesShared,
    ForgetsFencing,
    LosesBeats,
    LetsLockedIn,
    RevivesRetired,
    ListsRetired,
    IgnoresLabels,
    ListsByIdOnly,
}

#[derive(Debug)]
struct Faulty {
    inner: MemoryNodeRegistry,
    fault: Fault,
}

impl Faulty {
    async fn stored_invite(&self, id: InviteId) -> Result<Option<Invite>> {
        let invites = self.inner.invites(None).await?;
        Ok(invites.into_iter().find(|invite| invite.id == id))
    }

    /// Enrols with a copy of the invite, as if it had not been used.
    async fn enroll_again(&self, mut enrolment: Enrolment, now: Timestamp) -> Result<Node> {
        let invite = self.stored_invite(enrolment.invite).await?.expect("it was used");
        enrolment.invite = InviteId::from_bytes(*enrolment.node.as_bytes());
        let copy = Invite { id: enrolment.invite, fate: Fate::Open, ..invite };
        self.inner.invite(InviteAct::Issue(copy), now).await?;
        self.inner.enroll(enrolment, now).await
    }
}

#[async_trait]
impl NodeRegistry for Faulty {
    async fn invite(&self, act: InviteAct, now: Timestamp) -> Result<Invite> {
        let invite = self.inner.invite(act.clone(), now).await;
        match (self.fault, invite, act) {
            (Fault::OverwritesInvites, Err(_), InviteAct::Issue(invite)) => Ok(invite),
            (Fault::WithdrawsUsedInvites, Err(error), InviteAct::Withdraw(id))
                if error.kind() == Kind::Precondition =>
            {
                Ok(self.stored_invite(id).await?.expect("it is used"))
            }
            (_, invite, _) => invite,
        }
    }

    async fn invites(&self, owner: Option<UserId>) -> Result<Vec<Invite>> {
        let mut invites = self.inner.invites(owner).await?;
        if self.fault == Fault::ListsOldestFirst {
            invites.reverse();
        }
        Ok(invites)
    }

    async fn enroll(&self, enrolment: Enrolment, mut now: Timestamp) -> Result<Node> {
        let stored = self.stored_invite(enrolment.invite).await?;
        let is_used = stored.as_ref().is_some_and(|invite| invite.fate != Fate::Open);
        match (self.fault, stored.map(|invite| invite.fate)) {
            (Fault::RevealsUnknownInvites, None) => {
                return Err(refusal::invite_not_found(enrolment.invite));
            }
            (Fault::RepeatsForEver, Some(Fate::Used { at, .. })) => now = at,
            _ => {}
        }
        if self.fault == Fault::LooksThenEnrols {
            step_aside().await;
        }
        let node = self.inner.enroll(enrolment.clone(), now).await;
        match (self.fault, node) {
            (Fault::ForgetsRepeats, Ok(_)) if is_used => Err(InviteError::AlreadyUsed.into()),
            (Fault::LooksThenEnrols, Err(error))
                if !is_used && error.code() == "invite_already_used" =>
            {
                self.enroll_again(enrolment, now).await
            }
            (Fault::UsesInvitesTwice, Err(error)) if error.code() == "invite_already_used" => {
                self.enroll_again(enrolment, now).await
            }
            (Fault::WastesInvites, Err(error)) if error.kind() == Kind::Exists => {
                self.inner.invite(InviteAct::Withdraw(enrolment.invite), now).await?;
                Err(error)
            }
            (_, node) => node,
        }
    }

    async fn touch(&self, id: NodeId, mut sighting: Sighting, now: Timestamp) -> Result<Presence> {
        let node = self.inner.get(id).await?;
        if let (Fault::ForgetsFencing, Sighting::Beat { epoch, .. } | Sighting::Closed { epoch }) =
            (self.fault, &mut sighting)
        {
            *epoch = node.presence.epoch;
        }
        if self.fault == Fault::LosesBeats && matches!(sighting, Sighting::Beat { .. }) {
            let mut presence = node.presence;
            presence.apply(&sighting, now)?;
            return Ok(presence);
        }
        let seen = self.inner.touch(id, sighting.clone(), now).await;
        match seen {
            Err(error) if self.fault == Fault::LetsLockedIn && error.code() == "node_locked" => {
                self.inner.amend(id, vec![NodeChange::Lock(false)], now).await?;
                let seen = self.inner.touch(id, sighting, now).await;
                self.inner.amend(id, vec![NodeChange::Lock(true)], now).await?;
                seen
            }
            seen => seen,
        }
    }

    async fn amend(&self, id: NodeId, changes: Vec<NodeChange>, now: Timestamp) -> Result<Node> {
        if self.fault == Fault::AmendsInParts {
            for change in changes {
                self.inner.amend(id, vec![change], now).await?;
            }
            return self.inner.get(id).await;
        }
        let changed = self.inner.amend(id, changes, now).await;
        let forgiven = match self.fault {
            Fault::SharesNames => Kind::Exists,
            Fault::RevivesRetired => Kind::Precondition,
            _ => return changed,
        };
        match changed {
            Err(error) if error.kind() == forgiven => self.inner.get(id).await,
            changed => changed,
        }
    }

    async fn get(&self, id: NodeId) -> Result<Node> {
        self.inner.get(id).await
    }

    async fn list(&self, mut filter: NodeFilter) -> Result<Vec<Node>> {
        match self.fault {
            Fault::ListsRetired => filter.retired = true,
            Fault::IgnoresLabels => filter.labels = None,
            Fault::HidesShared => filter.owner = filter.owner.or(filter.visible_to),
            _ => {}
        }
        let mut nodes = self.inner.list(filter).await?;
        if self.fault == Fault::ListsByIdOnly {
            nodes.sort_by_key(|node| node.id);
        }
        Ok(nodes)
    }
}

fn registry(fault: Fault) -> Arc<dyn NodeRegistry> {
    Arc::new(Faulty { inner: MemoryNodeRegistry::new(), fault })
}

#[tokio::test]
async fn the_suite_sees_every_fault() {
    let faults = [
        (Fault::OverwritesInvites, "an invite of a stored id is refused"),
        (Fault::WithdrawsUsedInvites, "a used invite cannot be withdrawn"),
        (Fault::ListsOldestFirst, "newest first"),
        (Fault::RevealsUnknownInvites, "an unknown invite is refused as if"),
        (Fault::ForgetsRepeats, "an enrolment can be repeated"),
        (Fault::RepeatsForEver, "after the replay window an invite is used up"),
        (Fault::UsesInvitesTwice, "another key does not get the node of a used invite"),
        (Fault::WastesInvites, "an invite is used only if its node is made"),
        (Fault::SharesNames, "a name that another node of the owner has is refused"),
        (Fault::AmendsInParts, "of refused changes none is made"),
        (Fault::HidesShared, "a shared node is listed for its grantee"),
        (Fault::ForgetsFencing, "is fenced"),
        (Fault::LosesBeats, "a beat is read at once"),
        (Fault::LetsLockedIn, "a locked node opens no stream"),
        (Fault::RevivesRetired, "of a retired node is refused"),
        (Fault::ListsRetired, "is not listed unless asked for"),
        (Fault::IgnoresLabels, "exactly the nodes that fit"),
        (Fault::ListsByIdOnly, "by name, then by id"),
    ];
    assert_eq!(complaint(node_registry(async || registry(Fault::None))).await, None);
    for (fault, promised) in faults {
        let found = complaint(node_registry(async || registry(fault))).await;
        let found = found.unwrap_or_else(|| panic!("the suite passes a registry that {fault:?}"));
        assert!(found.starts_with("broken promise: "), "{fault:?}: {found}");
        assert!(found.contains(promised), "{fault:?}: {found}");
    }
}

#[tokio::test]
async fn what_forgets_does_not_survive_a_restart() {
    let kept = registry(Fault::None);
    node_registry_reopened(async |_| Arc::clone(&kept)).await;
    assert_eq!(all(&*kept).await.len(), 4);
    let lost = complaint(node_registry_reopened(async |_| registry(Fault::None))).await;
    assert!(lost.is_some_and(|found| found.contains("survive a restart")));
}
