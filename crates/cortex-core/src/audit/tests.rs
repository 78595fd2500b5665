//! Every change of a list of records is found.

use core::net::IpAddr;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::TokenId;
use crate::id::UserId;
use crate::timestamp::Timestamp;

fn any_actor() -> impl Strategy<Value = Actor> {
    let id = any::<[u8; 16]>();
    prop_oneof![
        Just(Actor::Nobody),
        Just(Actor::Hub),
        id.prop_map(|id| Actor::User(UserId::from_bytes(id))),
        id.prop_map(|id| Actor::Node(NodeId::from_bytes(id))),
    ]
}

fn any_object() -> impl Strategy<Value = Object> {
    let id = any::<[u8; 16]>();
    prop_oneof![
        Just(Object::Hub),
        id.prop_map(|id| Object::Node(NodeId::from_bytes(id))),
        id.prop_map(|id| Object::Session(SessionId::from_bytes(id))),
        id.prop_map(|id| Object::Task(TaskId::from_bytes(id))),
        id.prop_map(|id| Object::Invite(InviteId::from_bytes(id))),
        id.prop_map(|id| Object::User(UserId::from_bytes(id))),
        id.prop_map(|id| Object::Token(TokenId::from_bytes(id))),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    let token = any::<[u8; 16]>().prop_map(TokenId::from_bytes);
    let user = any::<[u8; 16]>().prop_map(UserId::from_bytes);
    let (who, what) = (
        (any_actor(), prop::option::of(token), prop::option::of(any::<IpAddr>())),
        (prop::sample::select(Action::ALL), any_object(), prop::option::of(user)),
    );
    (any::<u64>(), any::<i64>(), who, what, any::<bool>(), "\\PC{0,20}").prop_map(
        |(seq, at, (actor, credential, address), (action, object, owner), done, detail)| Record {
            seq,
            at: Timestamp::from_millis(at),
            actor,
            credential,
            address,
            action,
            object,
            owner,
            outcome: if done { Outcome::Done } else { Outcome::Refused },
            detail,
        },
    )
}

fn head_of(records: &[Record]) -> Head {
    let begin = chain_of(HubId::from_bytes([1; 16]));
    records.iter().fold(begin, |head, record| record.extend(head))
}

proptest! {
    #[test]
    fn a_changed_dropped_swapped_or_inserted_record_is_found(
        records in prop::collection::vec(any_record(), 1..8),
        other in any_record(),
        at in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let head = head_of(&records);
        let (at, to) = (at.index(records.len()), to.index(records.len()));
        let mut dropped = records.clone();
        dropped.remove(at);
        prop_assert_ne!(head_of(&dropped), head);
        let mut inserted = records.clone();
        inserted.insert(at, other.clone());
        prop_assert_ne!(head_of(&inserted), head);
        let mut swapped = records.clone();
        swapped.swap(at, to);
        prop_assert_eq!(head_of(&swapped) == head, swapped == records);
        let mut changed = records.clone();
        changed[at] = other;
        prop_assert_eq!(head_of(&changed) == head, changed == records);
    }

    #[test]
    fn each_single_field_counts(record in any_record(), other in any_record()) {
        let bends: [fn(&mut Record, &Record); 10] = [
            |record, other| record.seq = other.seq,
            |record, other| record.at = other.at,
            |record, other| record.actor = other.actor,
            |record, other| record.credential = other.credential,
            |record, other| record.address = other.address,
            |record, other| record.action = other.action,
            |record, other| record.object = other.object,
            |record, other| record.owner = other.owner,
            |record, other| record.outcome = other.outcome,
            |record, other| record.detail.clone_from(&other.detail),
        ];
        for bend in bends {
            let mut bent = record.clone();
            bend(&mut bent, &other);
            prop_assert_eq!(bent.to_bytes() == record.to_bytes(), bent == record);
        }
    }

    #[test]
    fn names_are_read_back(actor in any_actor(), object in any_object()) {
        prop_assert_eq!(actor.to_string().parse::<Actor>(), Ok(actor));
        prop_assert_eq!(object.to_string().parse::<Object>(), Ok(object));
    }
}

#[test]
fn the_published_record_holds() {
    let record = Record {
        seq: 1,
        at: Timestamp::from_millis(1_700_000_000_000),
        actor: Actor::User(UserId::from_bytes([2; 16])),
        credential: Some(TokenId::from_bytes([3; 16])),
        address: Some(IpAddr::from([127, 0, 0, 1])),
        action: Action::NodeLock,
        object: Object::Node(NodeId::from_bytes([4; 16])),
        owner: Some(UserId::from_bytes([2; 16])),
        outcome: Outcome::Done,
        detail: "lab".to_owned(),
    };
    let page = include_str!("../../../../docs/design/audit.md");
    let page: String = page.split_whitespace().collect();
    let begin = chain_of(HubId::from_bytes([1; 16]));
    for published in [
        hex::encode(record.to_bytes()),
        begin.digest.to_string(),
        record.extend(begin).digest.to_string(),
    ] {
        assert!(page.contains(&published), "docs/design/audit.md lacks {published}");
    }
}

#[test]
fn words_are_read_back_and_differ() {
    let words: BTreeSet<_> = Action::ALL.iter().map(|action| action.word()).collect();
    assert_eq!(words.len(), Action::ALL.len());
    for action in Action::ALL {
        assert_eq!(action.word().parse(), Ok(*action));
        let json = serde_json::to_string(action).unwrap();
        assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), *action);
    }
    assert!("node.explode".parse::<Action>().is_err());
}
