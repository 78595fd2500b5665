//! Invites: make, list, withdraw; and the configuration file that a new node starts with.

use std::collections::BTreeMap;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::capability::check_labels;
use cortex_core::id::InviteId;
use cortex_core::invite::DEFAULT_LIFE;
use cortex_core::invite::Fate;
use cortex_core::invite::Invite;
use cortex_core::invite::MAX_LIFE;
use cortex_core::registry::InviteAct;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use serde::Serialize;

use super::Hub;
use super::check_access;
use super::check_scope;
use super::nodes::check_name;
use crate::audit::Note;
use crate::clock;

/// An invite that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InviteDraft {
    /// Name that the node gets.
    pub name: String,
    /// Labels that the node gets.
    pub labels: BTreeMap<String, String>,
    /// How long it is good; 30 minutes if `None`, 24 hours at most.
    pub life: Option<Duration>,
}

/// A new invite, with its secret.
#[derive(Debug)]
pub struct IssuedInvite {
    /// The invite as it is stored.
    pub invite: Invite,
    /// The invite with its secret, as the node's configuration carries it.
    pub token: SecretString,
    /// The node's configuration: YAML, with the secret.
    pub config: SecretString,
}

#[derive(Serialize)]
struct NodeFile<'a> {
    hub: HubPart<'a>,
    node: NodePart<'a>,
    invite: &'a str,
}

#[derive(Serialize)]
struct HubPart<'a> {
    id: String,
    server_host: &'a str,
    grpc_port: u16,
    server_name: &'a str,
    ca_spki_sha256: Vec<String>,
    ca_pem: String,
    trust_anchor: String,
}

#[derive(Serialize)]
struct NodePart<'a> {
    name: &'a str,
}

impl Hub {
    /// Makes an invite that enrols one node of `who`'s.
    ///
    /// With the same `idempotency` key and the same draft, the same invite comes again, secret
    /// and all.
    ///
    /// # Errors
    /// `Denied`: the credential may not manage. `Invalid`: name, labels, life, or a repeat with
    /// another draft (code `idempotency_mismatch`).
    pub async fn invite(
        &self,
        who: &Principal,
        draft: InviteDraft,
        idempotency: Option<&str>,
    ) -> Result<IssuedInvite> {
        check_scope(who, Scope::Manage)?;
        check_name(&draft.name)?;
        check_labels(&draft.labels).map_err(|error| {
            Error::new(ErrorKind::Invalid, "make invite", error.to_string()).with_code("bad_label")
        })?;
        let life = draft.life.unwrap_or(DEFAULT_LIFE);
        if life.is_zero() || life > MAX_LIFE {
            let message = "an invite is good for 1 s to 24 h";
            return Err(
                Error::new(ErrorKind::Invalid, "make invite", message).with_code("bad_expiry")
            );
        }
        let token = match idempotency {
            Some(key) => self.trust().invites().for_key(who.user, key),
            None => self.trust().invites().generate()?,
        };
        let now = clock::now();
        let invite = Invite {
            id: token.id,
            secret_digest: token.secret.digest(),
            owner: who.user,
            name: draft.name,
            labels: draft.labels,
            created_at: now,
            expires_at: now + life,
            fate: Fate::Open,
        };
        let note = noted(Actor::User(who.user), Action::InviteCreate, &invite);
        let hub = self.clone();
        let stored = self.finish(async move { hub.store_invite(invite, note).await }).await?;
        let token = token.to_text();
        let config = self.node_file(&stored.name, token.expose_secret())?;
        Ok(IssuedInvite { invite: stored, token, config })
    }

    async fn store_invite(&self, invite: Invite, note: Note) -> Result<Invite> {
        let registry = &self.inner.registry;
        let issue = registry.invite(InviteAct::Issue(invite.clone()), clock::now());
        let issued = self.recorded(note, issue).await;
        let Err(error) = issued else { return issued };
        if error.kind() != ErrorKind::Exists {
            return Err(error);
        }
        let earlier = registry.invites(Some(invite.owner)).await?;
        let earlier = earlier.into_iter().find(|one| one.id == invite.id).ok_or(error)?;
        let is_same = earlier.name == invite.name
            && earlier.labels == invite.labels
            && earlier.expires_at.since(earlier.created_at)
                == invite.expires_at.since(invite.created_at);
        if is_same { Ok(earlier) } else { Err(super::repeat::mismatch()) }
    }

    /// Lists the invites of `who`, or all for an admin, newest first.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn invites(&self, who: &Principal) -> Result<Vec<Invite>> {
        check_scope(who, Scope::Read)?;
        self.inner.registry.invites(who.visible_owner()).await
    }

    /// Makes an invite useless.
    ///
    /// # Errors
    /// `NotFound`: no such invite of `who`'s. `Precondition`: it was used already.
    pub async fn withdraw_invite(&self, who: &Principal, id: InviteId) -> Result<Invite> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "withdraw invite", format!("no invite \"{id}\""))
                .with_code("invite_not_found")
        };
        let invites = self.inner.registry.invites(who.visible_owner()).await?;
        let invite = invites.into_iter().find(|one| one.id == id).ok_or_else(missing)?;
        check_access(who, Scope::Manage, invite.owner, missing)?;
        let note = noted(Actor::User(who.user), Action::InviteWithdraw, &invite);
        let hub = self.clone();
        self.finish(async move {
            let withdrawn = hub.inner.registry.invite(InviteAct::Withdraw(id), clock::now());
            hub.recorded(note, withdrawn).await
        })
        .await
    }

    fn node_file(&self, name: &str, token: &str) -> Result<SecretString> {
        let (config, authority) = (&self.inner.config, self.trust().authority());
        let file = NodeFile {
            hub: HubPart {
                id: self.id().to_string(),
                server_host: &config.node_host,
                grpc_port: config.node_port,
                server_name: authority.server_name(),
                ca_spki_sha256: authority.ca_pins(),
                ca_pem: authority.ca_pem(),
                trust_anchor: hex::encode(self.trust().signer().anchor().as_bytes()),
            },
            node: NodePart { name },
            invite: token,
        };
        let yaml = serde_yaml::to_string(&file).map_err(|error| {
            Error::new(ErrorKind::Internal, "write node configuration", error.to_string())
        })?;
        let head = "# Configuration of one Cortex node. It has a secret: keep it to yourself.\n\
                    # Start the node with: cortex-node run --config node.yaml\n";
        Ok(SecretString::from(format!("{head}{yaml}")))
    }
}

/// Notes that `actor` does something to an invite.
pub(super) fn noted(actor: Actor, action: Action, invite: &Invite) -> Note {
    Note::of(actor, action, Object::Invite(invite.id))
        .owned_by(invite.owner)
        .detail(invite.name.clone())
}
