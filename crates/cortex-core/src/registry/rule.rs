//! What a registry decides; pure, so that every backend decides alike.

use std::collections::BTreeMap;

use super::Enrolment;
use super::NodeChange;
use super::refusal;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::id::NodeId;
use crate::id::UserId;
use crate::invite::Entitlement;
use crate::invite::Fate;
use crate::invite::Invite;
use crate::node::Admission;
use crate::node::FormerKey;
use crate::node::Grant;
use crate::node::JoinState;
use crate::node::MAX_GRANTS;
use crate::node::MAX_IDENTITY_KEYS;
use crate::node::Node;
use crate::node::Presence;
use crate::node::Rekey;
use crate::node::Sighting;
use crate::registry::free_name;
use crate::timestamp::Timestamp;

/// What an enrolment comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Enrolled {
    /// This node is to be stored, together with the invite that is now used.
    New(Box<Node>),
    /// The node was made before; nothing is to be stored.
    Replay(NodeId),
}

impl Invite {
    /// Uses the invite for an enrolment; every backend calls this before it stores both.
    ///
    /// `is_taken` says whether another live node of the invite's owner has a name. That no node
    /// has the id `enrolment.node` is for the backend to see.
    ///
    /// # Errors
    /// `Denied`, with the code of [`InviteError`](crate::invite::InviteError); the invite is left
    /// as it was.
    pub fn enroll(
        &mut self,
        enrolment: &Enrolment,
        is_taken: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<Enrolled> {
        let Enrolment { node, identity, .. } = *enrolment;
        if let Entitlement::Replay(node) = self.judge(&enrolment.secret_digest, &identity, now)? {
            return Ok(Enrolled::Replay(node));
        }
        self.fate = Fate::Used { node, identity, at: now };
        Ok(Enrolled::New(Box::new(Node {
            id: node,
            name: free_name(&self.name, is_taken),
            owner: self.owner,
            grants: BTreeMap::new(),
            identity,
            former_keys: Vec::new(),
            labels: self.labels.clone(),
            admission: Admission::Active,
            suspicion: None,
            join: JoinState::default(),
            cordoned: false,
            capabilities: None,
            version: enrolment.version.clone(),
            enrolled_at: now,
            presence: Presence::default(),
        })))
    }

    /// Makes the invite useless; a withdrawn one stays as it is.
    ///
    /// # Errors
    /// `Precondition`, code `invite_already_used`: it enrolled a node.
    pub fn withdraw(&mut self, now: Timestamp) -> Result<()> {
        match self.fate {
            Fate::Open => self.fate = Fate::Withdrawn { at: now },
            Fate::Withdrawn { .. } => {}
            Fate::Used { node, .. } => {
                let message = format!("the invite enrolled {node}");
                return Err(Error::new(Kind::Precondition, "withdraw invite", message)
                    .with_code("invite_already_used")
                    .with_hint("remove the node instead"));
            }
        }
        Ok(())
    }
}

impl Node {
    /// Makes changes, in their order; every backend calls this, and sees for itself that a new name
    /// is free.
    ///
    /// # Errors
    /// `Precondition`, code `node_retired`; `Invalid`, code `grant_to_owner`; `Exhausted`, code
    /// `too_many_grants`; `NotFound`, code `grant_not_found`. Of a renewal and of a change of the
    /// identity key also those of [`NodeRegistry::amend`]. The node is then left as it was.
    ///
    /// [`NodeRegistry::amend`]: super::NodeRegistry::amend
    pub fn amend(&mut self, changes: Vec<NodeChange>) -> Result<()> {
        let mut amended = self.clone();
        for change in changes {
            amended.apply(change)?;
        }
        *self = amended;
        Ok(())
    }

    fn apply(&mut self, change: NodeChange) -> Result<()> {
        if self.admission == Admission::Retired {
            return Err(refusal::node_removed(&self.name));
        }
        match change {
            NodeChange::Rename(name) => self.name = name,
            NodeChange::Relabel(labels) => self.labels = labels,
            NodeChange::Cordon(cordoned) => self.cordoned = cordoned,
            NodeChange::Lock(true) => self.admission = Admission::Locked,
            NodeChange::Lock(false) => {
                self.admission = Admission::Active;
                self.suspicion = None;
            }
            NodeChange::Suspect(suspicion) => {
                self.admission = Admission::Locked;
                self.suspicion = Some(suspicion);
            }
            NodeChange::Renew(renewal) => {
                self.expect_admitted("renew certificate")?;
                self.join.renew(&renewal)?;
            }
            NodeChange::Rekey(rekey) => {
                self.expect_admitted("replace identity key")?;
                self.rekey(&rekey)?;
            }
            NodeChange::Retire => {
                self.admission = Admission::Retired;
                self.suspicion = None;
            }
            NodeChange::Grant(user, grant) => self.share(user, grant)?,
            NodeChange::Ungrant(user) => {
                let taken = self.grants.remove(&user);
                taken.ok_or_else(|| refusal::grant_not_found(&self.name))?;
            }
        }
        Ok(())
    }

    /// The repeat of the last change changes nothing: its answer was lost.
    fn rekey(&mut self, rekey: &Rekey) -> Result<()> {
        let Rekey { from, to, at } = *rekey;
        if self.has_rekeyed(rekey) {
            return Ok(());
        }
        if from != self.identity {
            return Err(refusal::identity_stale(&self.name));
        }
        if to == from || self.former_keys.iter().any(|former| former.key == to) {
            return Err(refusal::identity_reused(&self.name));
        }
        if self.former_keys.len() + 1 >= MAX_IDENTITY_KEYS {
            return Err(refusal::too_many_identity_keys(&self.name));
        }
        self.former_keys.push(FormerKey { key: from, until: at });
        self.identity = to;
        Ok(())
    }

    fn share(&mut self, user: UserId, grant: Grant) -> Result<()> {
        if user == self.owner {
            return Err(refusal::grant_to_owner(&self.name));
        }
        if self.grants.len() >= MAX_GRANTS && !self.grants.contains_key(&user) {
            return Err(refusal::too_many_grants(&self.name));
        }
        self.grants.insert(user, grant);
        Ok(())
    }

    /// Records a sighting; every backend calls this and stores the result.
    ///
    /// An opened stream brings the version and, where the node states them, the capabilities; a
    /// stream opened without leaves those of the stream before.
    ///
    /// # Errors
    /// `Denied`, code `node_locked` or `node_retired`: the sighting is an opened stream, or a node
    /// that describes itself.
    /// `Conflict`, code `fenced`: it is of another stream than the newest. The node is left as it
    /// was.
    pub fn sight(&mut self, sighting: Sighting, now: Timestamp) -> Result<()> {
        if matches!(sighting, Sighting::Opened { .. } | Sighting::Described { .. }) {
            self.expect_admitted("open stream")?;
        }
        self.presence.apply(&sighting, now)?;
        match sighting {
            Sighting::Opened { capabilities, version, .. } => {
                self.version = version;
                self.capabilities = capabilities.or_else(|| self.capabilities.take());
            }
            Sighting::Described { capabilities, version } => {
                self.version = version;
                self.capabilities = Some(capabilities);
            }
            Sighting::Beat { .. } | Sighting::Closed { .. } => {}
        }
        Ok(())
    }

    pub(super) fn expect_admitted(&self, operation: &'static str) -> Result<()> {
        let (state, code) = match self.admission {
            Admission::Active => return Ok(()),
            Admission::Locked => ("locked", "node_locked"),
            Admission::Retired => ("removed", "node_retired"),
        };
        let message = format!("node \"{}\" is {state}", self.name);
        Err(Error::new(Kind::Denied, operation, message).with_code(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BootId;
    use crate::id::InviteId;

    const NOW: Timestamp = Timestamp::from_millis(5);

    fn invite() -> Invite {
        Invite {
            id: InviteId::from_bytes([1; 16]),
            secret_digest: [7; 32],
            owner: UserId::from_bytes([2; 16]),
            name: "lab".into(),
            labels: BTreeMap::from([("gpu".into(), "a100".into())]),
            created_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(1_000),
            fate: Fate::Open,
        }
    }

    fn enrolment(secret: u8) -> Enrolment {
        Enrolment {
            invite: InviteId::from_bytes([1; 16]),
            secret_digest: [secret; 32],
            node: NodeId::from_bytes([3; 16]),
            identity: [4; 32],
            version: "1.0".into(),
        }
    }

    fn enrolled() -> Node {
        match invite().enroll(&enrolment(7), |_| false, NOW).unwrap() {
            Enrolled::New(node) => *node,
            Enrolled::Replay(_) => panic!("the invite was open"),
        }
    }

    #[test]
    fn a_refused_enrolment_leaves_the_invite_open() {
        let mut invite = invite();
        let refused = invite.enroll(&enrolment(8), |_| false, NOW).unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (Kind::Denied, "invite_wrong_secret"));
        assert_eq!(invite.fate, Fate::Open);
    }

    #[test]
    fn an_enrolment_uses_the_invite_and_takes_a_free_name() {
        let mut invite = invite();
        let made = invite.enroll(&enrolment(7), |name| name == "lab", NOW).unwrap();
        let Enrolled::New(node) = made else { panic!("the invite was open") };
        assert_eq!((node.name.as_str(), &node.labels), ("lab-2", &invite.labels));
        let again = invite.enroll(&enrolment(7), |_| true, NOW).unwrap();
        assert_eq!(again, Enrolled::Replay(node.id));
        assert_eq!(invite.withdraw(NOW).unwrap_err().kind(), Kind::Precondition);
    }

    #[test]
    fn of_changes_that_are_refused_none_is_made() {
        let mut node = enrolled();
        let before = node.clone();
        let changes = [NodeChange::Cordon(true), NodeChange::Ungrant(UserId::from_bytes([9; 16]))];
        assert_eq!(node.amend(changes.to_vec()).unwrap_err().code(), "grant_not_found");
        assert_eq!(node, before);
    }

    #[test]
    fn grants_are_bounded() {
        let user = |n: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            UserId::from_bytes(bytes)
        };
        let mut node = enrolled();
        let all = (0..MAX_GRANTS).map(|n| NodeChange::Grant(user(n), Grant::Use));
        node.amend(all.collect()).unwrap();
        let one_more = vec![NodeChange::Grant(user(MAX_GRANTS), Grant::Use)];
        assert_eq!(node.amend(one_more).unwrap_err().code(), "too_many_grants");
        node.amend(vec![NodeChange::Grant(user(0), Grant::Manage)]).unwrap();
        assert_eq!(node.grants[&user(0)], Grant::Manage);
    }

    #[test]
    fn a_locked_node_opens_no_stream_but_its_open_one_may_end() {
        let mut node = enrolled();
        let boot = BootId::from_bytes([6; 16]);
        let open = Sighting::Opened { boot, capabilities: None, version: "1.1".into() };
        node.sight(open.clone(), NOW).unwrap();
        assert_eq!(node.version, "1.1");
        node.admission = Admission::Locked;
        assert_eq!(node.sight(open, NOW).unwrap_err().code(), "node_locked");
        assert_eq!(node.presence.epoch, 1);
        node.sight(Sighting::Closed { epoch: 1 }, NOW).unwrap();
        assert!(!node.presence.open);
    }
}
