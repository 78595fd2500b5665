//! The contract of [`NodeRegistry`]: every promise of its documentation, as a case.
//!
//! Each case is a function of its own and expects a registry in which nothing is stored.

pub mod changes;
pub mod enrolment;
pub mod grants;
pub mod identities;
pub mod invites;
pub mod lists;
pub mod presence;
pub mod races;
pub mod renewals;
mod reopen;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use reopen::node_registry_reopened;

use crate::contract::promise::kept;
use crate::id::BootId;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::UserId;
use crate::invite::Fate;
use crate::invite::Invite;
use crate::node::Node;
use crate::node::Sighting;
use crate::registry::Enrolment;
use crate::registry::InviteAct;
use crate::registry::NodeFilter;
use crate::registry::NodeRegistry;
use crate::timestamp::Timestamp;

/// Runs every case on a fresh registry of its own that `make` gives.
///
/// The users of the cases are known nowhere else; a backend must not ask for them.
///
/// # Panics
/// The registry breaks a promise of [`NodeRegistry`]; the message says which.
pub async fn node_registry(make: impl AsyncFn() -> Arc<dyn NodeRegistry>) {
    invites::an_invite_is_stored_once(&*make().await).await;
    invites::a_withdrawn_invite_stays_known(&*make().await).await;
    invites::a_used_invite_is_not_withdrawn(&*make().await).await;
    invites::invites_are_listed_by_owner_newest_first(&*make().await).await;

    enrolment::an_enrolment_makes_the_node_of_its_invite(&*make().await).await;
    enrolment::a_bad_invite_makes_no_node(&*make().await).await;
    enrolment::the_secret_is_judged_first(&*make().await).await;
    enrolment::a_repeat_gets_the_same_node(&*make().await).await;
    enrolment::a_used_id_leaves_the_invite_open(&*make().await).await;
    enrolment::a_taken_name_gets_a_number(&*make().await).await;
    races::of_racing_nodes_one_gets_the_invite(&*make().await).await;
    races::racing_repeats_get_the_same_node(&*make().await).await;
    races::racing_nodes_get_different_names(&*make().await).await;

    presence::each_stream_gets_the_next_epoch(&*make().await).await;
    presence::a_description_is_kept(&*make().await).await;
    presence::an_older_stream_is_fenced(&*make().await).await;
    presence::a_beat_is_seen_at_once(&*make().await).await;
    presence::a_closed_stream_is_seen_at_once(&*make().await).await;
    presence::a_locked_node_opens_no_stream(&*make().await).await;
    presence::racing_streams_get_different_epochs(&*make().await).await;

    changes::each_change_changes_what_it_says(&*make().await).await;
    changes::a_new_name_must_be_free(&*make().await).await;
    changes::a_retired_node_stays_so(&*make().await).await;
    changes::an_unknown_node_is_not_found(&*make().await).await;
    changes::of_racing_renames_one_wins(&*make().await).await;
    changes::changes_are_made_all_or_none(&*make().await).await;

    grants::a_grant_is_given_changed_and_taken_back(&*make().await).await;
    grants::a_grant_that_makes_no_sense_is_refused(&*make().await).await;
    grants::a_shared_node_is_listed_for_its_grantee(&*make().await).await;

    renewals::a_renewal_moves_the_generation_on(&*make().await).await;
    renewals::a_stale_renewal_changes_nothing(&*make().await).await;
    renewals::a_suspected_node_is_locked_until_unlocked(&*make().await).await;
    renewals::of_racing_renewals_one_wins(&*make().await).await;

    identities::an_identity_key_is_replaced_and_kept_in_mind(&*make().await).await;
    identities::a_stale_or_former_key_changes_nothing(&*make().await).await;
    identities::of_racing_changes_of_the_key_one_wins(&*make().await).await;

    lists::nodes_are_listed_by_name_then_by_id(&*make().await).await;
    lists::filters_combine(&*make().await).await;
}

/// The time at which the cases begin, and `seconds` more.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_123) + Duration::from_secs(seconds)
}

fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

fn invite_id(number: u8) -> InviteId {
    InviteId::from_bytes([number; 16])
}

fn node_id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 16])
}

/// An invite of user 1, good for half an hour, whose secret's digest is its number.
fn invite(number: u8, name: &str) -> Invite {
    Invite {
        id: invite_id(number),
        secret_digest: [number; 32],
        owner: user(1),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        created_at: at(0),
        expires_at: at(1_800),
        fate: Fate::Open,
    }
}

/// An enrolment with that invite, of the node and the key of the same number.
fn enrolment(number: u8) -> Enrolment {
    Enrolment {
        invite: invite_id(number),
        secret_digest: [number; 32],
        node: node_id(number),
        identity: [number; 32],
        version: "1.2.3".to_owned(),
    }
}

fn opened(boot: u8) -> Sighting {
    let boot = BootId::from_bytes([boot; 16]);
    Sighting::Opened { boot, capabilities: None, version: "1.2.3".to_owned() }
}

async fn issue(registry: &dyn NodeRegistry, invite: Invite) -> Invite {
    let issued = registry.invite(InviteAct::Issue(invite), at(0)).await;
    kept(issued, "a new invite is stored")
}

/// Issues an invite and uses it: makes the node of this number, of user 1.
async fn enroll(registry: &dyn NodeRegistry, number: u8, name: &str) -> Node {
    issue(registry, invite(number, name)).await;
    let node = registry.enroll(enrolment(number), at(1)).await;
    kept(node, "a good invite makes a node")
}

async fn get(registry: &dyn NodeRegistry, number: u8) -> Node {
    kept(registry.get(node_id(number)).await, "a stored node is returned")
}

async fn all(registry: &dyn NodeRegistry) -> Vec<Node> {
    let filter = NodeFilter { retired: true, ..NodeFilter::default() };
    kept(registry.list(filter).await, "nodes are listed")
}

async fn fate(registry: &dyn NodeRegistry, number: u8) -> Fate {
    let invites = kept(registry.invites(None).await, "invites are listed");
    let found = invites.into_iter().find(|invite| invite.id == invite_id(number));
    found.expect("broken promise: a stored invite is listed").fate
}
