//! Cases: invites are issued, withdrawn and listed.

use super::at;
use super::enroll;
use super::fate;
use super::invite;
use super::invite_id;
use super::issue;
use super::node_id;
use super::user;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::invite::Fate;
use crate::invite::Invite;
use crate::registry::InviteAct;
use crate::registry::NodeRegistry;

/// An issued invite is returned and listed as it was given; its id is taken from then on.
pub async fn an_invite_is_stored_once(registry: &dyn NodeRegistry) {
    let mut first = invite(1, "Lab \u{e4}\u{1f980}");
    first.labels.insert("gpu".to_owned(), "a100".to_owned());
    first.labels.insert("rack".to_owned(), String::new());
    let issued = issue(registry, first.clone()).await;
    same(&issued, &first, "an issued invite is returned as it was given");

    let other = Invite { secret_digest: [9; 32], ..invite(1, "other") };
    let again = registry.invite(InviteAct::Issue(other), at(1)).await;
    refused(again, Kind::Exists, "an invite of a stored id is refused");

    let stored = kept(registry.invites(None).await, "invites are listed");
    same(&stored, &vec![first], "an invite is stored as it was given, and once");
}

/// A withdrawn invite is returned and listed as withdrawn; an unknown one is not found.
pub async fn a_withdrawn_invite_stays_known(registry: &dyn NodeRegistry) {
    let unknown = registry.invite(InviteAct::Withdraw(invite_id(1)), at(0)).await;
    let promise = "an unknown invite cannot be withdrawn";
    refused_as(unknown, Kind::NotFound, "invite_not_found", promise);

    let open = issue(registry, invite(1, "lab")).await;
    let untouched = issue(registry, invite(2, "lab")).await;
    let withdrawn = registry.invite(InviteAct::Withdraw(invite_id(1)), at(5)).await;
    let withdrawn = kept(withdrawn, "an open invite can be withdrawn");
    let promised = Invite { fate: Fate::Withdrawn { at: at(5) }, ..open };
    same(&withdrawn, &promised, "a withdrawn invite is returned as it then is");
    same(&fate(registry, 1).await, &promised.fate, "a withdrawn invite is listed as such");
    same(&fate(registry, 2).await, &untouched.fate, "other invites stay as they are");

    let again = registry.invite(InviteAct::Withdraw(invite_id(1)), at(9)).await;
    let again = kept(again, "an invite that nobody used can be withdrawn, also twice");
    same(&again, &promised, "a withdrawn invite stays as it is");
}

/// A used invite cannot be withdrawn, and stays used.
pub async fn a_used_invite_is_not_withdrawn(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let withdrawn = registry.invite(InviteAct::Withdraw(invite_id(1)), at(2)).await;
    refused(withdrawn, Kind::Precondition, "a used invite cannot be withdrawn");
    let used = Fate::Used { node: node_id(1), identity: [1; 32], at: at(1) };
    same(&fate(registry, 1).await, &used, "a refused withdrawal changes nothing");
}

/// Invites are listed newest first, all or those of one owner.
pub async fn invites_are_listed_by_owner_newest_first(registry: &dyn NodeRegistry) {
    for (number, owner) in [(2, 1), (4, 2), (1, 2), (3, 1)] {
        let created_at = at(u64::from(number));
        issue(registry, Invite { owner: user(owner), created_at, ..invite(number, "lab") }).await;
    }
    for (owner, promised) in [(None, vec![4, 3, 2, 1]), (Some(1), vec![3, 2]), (Some(3), vec![])] {
        let listed = kept(registry.invites(owner.map(user)).await, "invites are listed");
        let ids: Vec<_> = listed.iter().map(|invite| invite.id).collect();
        let promised = promised.into_iter().map(invite_id).collect();
        same(&ids, &promised, "the invites of an owner are listed, newest first");
    }
}
