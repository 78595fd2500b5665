//! How a machine becomes a node, and how a node gets access tokens.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::invite::InviteError;
use cortex_core::node::Admission;
use cortex_core::node::Node;
use cortex_core::proof;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::proof::EnrolmentClaim;
use cortex_core::registry::Enrolment;
use cortex_core::registry::NodeChange;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::Signature;
use ed25519_dalek::VerifyingKey;

use super::Hub;
use super::nodes::change_noted;
use crate::audit::Note;
use crate::audit::carrying;
use crate::clock;
use crate::config::NodeTls;
use crate::feed::Change;
use crate::trust::challenge::Subject;
use crate::trust::invites::InviteSecret;
use crate::trust::node_certificate;
use crate::trust::node_certificate::NodeCertificate;
use crate::trust::node_certificate::TlsPublicKey;
use crate::trust::token::Issued;
use crate::trust::token::KeyThumbprint;
use crate::trust::token::NodeClaims;

/// The longest host name that is taken, in bytes.
const MAX_HOST_NAME: usize = 255;

/// The longest text of a version that is taken, in bytes.
pub(crate) const MAX_VERSION: usize = 64;

/// A machine that wants to become a node.
#[derive(Debug)]
pub(crate) struct Applicant {
    pub(crate) invite: InviteId,
    pub(crate) secret: InviteSecret,
    pub(crate) challenge: [u8; CHALLENGE_LEN],
    /// Empty where it wants no certificate.
    pub(crate) csr: Vec<u8>,
    pub(crate) identity: [u8; 32],
    pub(crate) signature: Vec<u8>,
    pub(crate) host_name: String,
    pub(crate) version: String,
}

/// What a new node is told.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) node: Node,
    pub(crate) task_keys: Vec<[u8; 32]>,
    pub(crate) certificate: Option<NodeCertificate>,
}

/// A node that has proved who it is.
pub(crate) type NodeToken = NodeClaims;

impl Hub {
    /// A challenge for whoever holds the invite; unknown invites get one just like known ones.
    pub(crate) fn enrolment_challenge(&self, invite: InviteId) -> Result<[u8; CHALLENGE_LEN]> {
        self.trust().challenges().issue(Subject::Enrolment(invite), clock::now())
    }

    /// Admits a machine as a node of the invite's owner.
    pub(crate) async fn admit(&self, applicant: Applicant) -> Result<Welcome> {
        let now = clock::now();
        let tls_key = self.check_applicant(&applicant)?;
        let subject = Subject::Enrolment(applicant.invite);
        self.trust().challenges().redeem(&applicant.challenge, subject, now)?;
        let claim = EnrolmentClaim {
            hub: self.id(),
            invite: applicant.invite,
            challenge: &applicant.challenge,
            csr: &applicant.csr,
            identity: &applicant.identity,
            host_name: &applicant.host_name,
        };
        check_proof(&applicant.identity, &proof::enrolment(&claim), &applicant.signature)?;
        let enrolment = Enrolment {
            invite: applicant.invite,
            secret_digest: applicant.secret.digest(),
            node: NodeId::generate(),
            identity: applicant.identity,
            version: applicant.version,
        };
        let (new, identity) = (enrolment.node, enrolment.identity);
        let note = Note::of(Actor::Node(new), Action::NodeEnrol, Object::Node(new));
        let hub = self.clone();
        let enrolling = async move {
            let node = hub.enrol(enrolment, note, now).await?;
            // A repeat is by the key that the node has, not by one that it had.
            if node.identity != identity {
                return Err(InviteError::AlreadyUsed.into());
            }
            hub.check_owner(node, now).await
        };
        let node = match self.finish(enrolling).await {
            Ok(node) => node,
            Err(error) => {
                self.metrics().enrolments_refused.inc();
                let host = applicant.host_name.escape_debug();
                tracing::warn!(invite = %applicant.invite, %host, %error, "enrolment refused");
                let note = Note::refusal(Action::NodeEnrol, Object::Invite(applicant.invite));
                let note = match self.to_be_warned(applicant.invite, &error).await {
                    Some(owner) => note.owned_by(owner),
                    None => note,
                };
                self.inner.store.audit().refused(note.detail(error.code())).await;
                return Err(error);
            }
        };
        self.metrics().enrolments.inc();
        tracing::info!(node = %node.id, name = %node.name, "node enrolled");
        self.inner.feed.announce(Change::Node(std::sync::Arc::new(node.clone())));
        let task_keys = self.trust().signer().task_keys(node.id, now);
        let certificate = match tls_key {
            Some(tls_key) => Some(self.certify(node.id, &tls_key, now)?),
            None => None,
        };
        let task_keys = task_keys.iter().map(|key| key.to_bytes()).collect();
        Ok(Welcome { node, task_keys, certificate })
    }

    /// Whose invite two machines have the secret of: somebody gave it away, or lost it.
    async fn to_be_warned(&self, invite: InviteId, error: &Error) -> Option<UserId> {
        if error.code() != InviteError::AlreadyUsed.code() {
            return None;
        }
        let invites = self.inner.registry.invites(None).await.ok()?;
        invites.into_iter().find(|one| one.id == invite).map(|one| one.owner)
    }

    /// Refuses what no applicant can bring; returns the key for which it wants a certificate.
    fn check_applicant(&self, applicant: &Applicant) -> Result<Option<TlsPublicKey>> {
        let invalid = |code, message: &str| {
            Error::new(ErrorKind::Invalid, "enrol node", message).with_code(code)
        };
        if applicant.host_name.len() > MAX_HOST_NAME || applicant.version.len() > MAX_VERSION {
            return Err(invalid("text_too_long", "host_name or version is too long"));
        }
        if !applicant.csr.is_empty() {
            return TlsPublicKey::from_request(&applicant.csr).map(Some);
        }
        match self.inner.config.tls.nodes {
            NodeTls::Token => Ok(None),
            NodeTls::Mutual => {
                Err(invalid("csr_missing", "a certificate signing request is missing").with_hint(
                    "this hub takes only nodes with certificates: update the node's software",
                ))
            }
        }
    }

    /// Takes back the node of an owner who was locked out since the invite was made: for its
    /// bearer, it is an invite that was withdrawn.
    async fn check_owner(&self, node: Node, now: Timestamp) -> Result<Node> {
        if !self.accounts().is_locked_out(node.owner).await? {
            return Ok(node);
        }
        // A repeat gets no answer, and the node that was made before stays.
        if node.enrolled_at == now {
            let change = NodeChange::Retire;
            let note = change_noted(Actor::Hub, &node, &change).adding("(its owner is locked out)");
            self.amend(node.id, vec![change], note).await?;
        }
        Err(InviteError::Withdrawn.into())
    }

    /// Issues a node's certificate.
    pub(super) fn certify(
        &self,
        node: NodeId,
        key: &TlsPublicKey,
        now: Timestamp,
    ) -> Result<NodeCertificate> {
        let life = self.inner.config.tls.node_certificate_life();
        node_certificate::issue(self.trust().authority(), (self.id(), node), key, life, now)
    }

    /// Makes the node and records it. Whose it is, only its invite says: the store's transaction adds
    /// that to the note; for a registry that is not the hub's own, it is added here.
    async fn enrol(&self, enrolment: Enrolment, note: Note, now: Timestamp) -> Result<Node> {
        let new = enrolment.node;
        let enrolled = self.inner.registry.enroll(enrolment, now);
        let (enrolled, left) = carrying(note, enrolled).await;
        let node = enrolled?;
        if let Some(note) = left.filter(|_| node.id == new) {
            let note = note.owned_by(node.owner).detail(node.name.clone());
            self.inner.store.audit().append(note).await?;
        }
        Ok(node)
    }

    /// A challenge for a node that wants a token; unknown nodes get one just like known ones.
    pub(crate) fn token_challenge(&self, node: NodeId) -> Result<[u8; CHALLENGE_LEN]> {
        self.trust().challenges().issue(Subject::Token(node), clock::now())
    }

    /// Issues an access token to a node that proves possession of its identity key.
    pub(crate) async fn issue_token(
        &self,
        id: NodeId,
        challenge: &[u8; CHALLENGE_LEN],
        signature: &[u8],
    ) -> Result<Issued> {
        let issued = self.try_issue_token(id, challenge, signature).await;
        if let Err(error) = &issued {
            self.node_refused(id, error).await;
        }
        issued
    }

    async fn try_issue_token(
        &self,
        id: NodeId,
        challenge: &[u8; CHALLENGE_LEN],
        signature: &[u8],
    ) -> Result<Issued> {
        let now = clock::now();
        self.trust().challenges().redeem(challenge, Subject::Token(id), now)?;
        let node = self.known_node(id).await?;
        check_proof(&node.identity, &proof::token(self.id(), id, challenge), signature)?;
        check_admission(&node)?;
        let life = self.inner.config.tls.node_token_life();
        self.trust().tokens().issue_node(id, &node.identity, life, now)
    }

    /// Tells whose access token this is.
    pub(crate) fn authenticate_node(&self, token: &str) -> Result<NodeToken> {
        self.trust().tokens().verify_node(token, clock::now())
    }

    /// The node that a token was issued to, if the token still fits it.
    pub(super) async fn node_of(&self, token: &NodeToken) -> Result<Node> {
        let node = self.known_node(token.node).await?;
        check_key(token, &node)?;
        check_admission(&node)?;
        Ok(node)
    }

    /// A node; an unknown one is told the same as a wrong proof.
    pub(super) async fn known_node(&self, id: NodeId) -> Result<Node> {
        self.inner.registry.get(id).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => unproved(),
            _ => error,
        })
    }
}

/// Refuses a token that is bound to another key than the node's.
pub(super) fn check_key(token: &NodeToken, node: &Node) -> Result<()> {
    if KeyThumbprint::of(&node.identity) == token.key { Ok(()) } else { Err(unproved()) }
}

/// Verifies that whoever signed `proof` holds the identity key.
pub(super) fn check_proof(identity: &[u8; 32], proof: &[u8], signature: &[u8]) -> Result<()> {
    let key = VerifyingKey::from_bytes(identity).map_err(|_| unproved())?;
    let signature = Signature::from_slice(signature).map_err(|_| unproved())?;
    key.verify_strict(proof, &signature).map_err(|_| unproved())
}

pub(super) fn unproved() -> Error {
    let message = "the proof of identity does not fit";
    Error::new(ErrorKind::Unauthenticated, "authenticate node", message).with_code("bad_proof")
}

pub(super) fn check_admission(node: &Node) -> Result<()> {
    let (message, code) = match node.admission {
        Admission::Active => return Ok(()),
        Admission::Locked => ("the node is locked", "node_locked"),
        _ => ("the node was removed", "node_retired"),
    };
    Err(Error::new(ErrorKind::Denied, "authenticate node", message).with_code(code))
}
