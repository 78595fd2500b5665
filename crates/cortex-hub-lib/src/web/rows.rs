//! Rows of the list of nodes, as they are shown.

use std::time::Duration;

use cortex_core::invite::Fate;
use cortex_core::invite::Invite;
use cortex_core::node::Node;
use cortex_core::node::Status;
use cortex_core::node::Suspicion;
use cortex_core::timestamp::Timestamp;

/// A node as it is listed.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) node: Node,
    /// Its owner's name, where it is not the reader's own.
    pub(super) owner: Option<String>,
    /// How many of its slots are taken.
    pub(super) taken: u32,
}

/// One row: a node, or an invite that waits for its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    /// Who shares it, where it is not the reader's own.
    pub(super) owner: Option<String>,
    pub(super) sign: char,
    pub(super) word: String,
    /// The class of the dot.
    pub(super) class: &'static str,
    /// Slots taken, and slots in all, where it is there.
    pub(super) slots: String,
    pub(super) labels: Vec<String>,
    pub(super) system: String,
    pub(super) version: String,
    pub(super) since: Option<Moment>,
    pub(super) last_seen: Option<Moment>,
    /// The node, where a terminal can be opened on it.
    pub(super) terminal: Option<String>,
}

/// A point in time for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// In RFC 3339.
    pub(super) absolute: String,
    /// As a span from now.
    pub(super) relative: String,
}

/// The rows of nodes, then of invites that nobody used yet.
pub(super) fn rows_of(nodes: &[Listed], invites: &[Invite], now: Timestamp) -> Vec<Row> {
    let is_open = |invite: &&Invite| invite.fate == Fate::Open && now < invite.expires_at;
    let waiting = invites.iter().filter(is_open).map(|invite| of_invite(invite, now));
    let nodes = nodes.iter().map(|listed| of_node(listed, now));
    nodes.chain(waiting).collect()
}

/// How many there are, in words.
pub(super) fn summary_of(rows: &[Row]) -> String {
    let online = rows.iter().filter(|row| row.class == "online").count();
    format!("{online} of {} online", rows.len())
}

fn of_node(listed: &Listed, now: Timestamp) -> Row {
    let Listed { node, owner, taken } = listed;
    let status = node.status(now);
    let mut word = status.word().to_owned();
    if node.cordoned {
        word.push_str(", cordoned");
    }
    word.push_str(match node.suspicion {
        Some(Suspicion::Cloned) => ": a copy of it is in use",
        Some(Suspicion::Flapping) => ": two processes have its identity",
        _ => "",
    });
    let stated = node.capabilities.as_ref();
    let own = stated.into_iter().flat_map(|stated| &stated.labels);
    let own = own.filter(|(key, _)| !node.labels.contains_key(*key));
    let mut labels: Vec<_> =
        node.labels.iter().chain(own).map(|(key, value)| label(key, value)).collect();
    labels.sort_unstable();
    Row {
        name: node.name.clone(),
        owner: owner.clone(),
        sign: status.sign(),
        word,
        class: class_of(status),
        slots: match status {
            Status::Online => format!("{taken}/{}", node.slots()),
            _ => String::new(),
        },
        labels,
        system: stated.map(system_of).unwrap_or_default(),
        version: node.version.clone(),
        since: node.presence.since.map(|at| ago(at, now)),
        last_seen: node.presence.last_seen.map(|at| match status {
            Status::Online => Moment { absolute: at.to_string(), relative: "now".to_owned() },
            _ => ago(at, now),
        }),
        terminal: (status == Status::Online).then(|| node.id.to_string()),
    }
}

fn of_invite(invite: &Invite, now: Timestamp) -> Row {
    let left = span(invite.expires_at.since(now));
    Row {
        name: invite.name.clone(),
        owner: None,
        sign: Status::Pending.sign(),
        word: format!("invited, {left} left"),
        class: class_of(Status::Pending),
        slots: String::new(),
        labels: invite.labels.iter().map(|(key, value)| label(key, value)).collect(),
        system: String::new(),
        version: String::new(),
        since: Some(ago(invite.created_at, now)),
        last_seen: None,
        terminal: None,
    }
}

fn class_of(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Offline => "offline",
        Status::Revoked => "revoked",
        _ => "pending",
    }
}

fn label(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}={value}") }
}

fn system_of(stated: &cortex_core::capability::Capabilities) -> String {
    let parts = [&stated.os.name, &stated.os.version, &stated.arch];
    let known: Vec<_> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| part.as_str()).collect();
    known.join(" ")
}

fn ago(at: Timestamp, now: Timestamp) -> Moment {
    Moment { absolute: at.to_string(), relative: span(now.since(at)) }
}

/// A span in its two largest units.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cortex_core::id::BootId;
    use cortex_core::id::InviteId;
    use cortex_core::id::NodeId;
    use cortex_core::id::UserId;
    use cortex_core::node::Admission;
    use cortex_core::node::Presence;
    use cortex_core::node::Sighting;

    use super::*;

    fn listed(presence: Presence, owner: Option<&str>) -> Listed {
        let node = Node {
            id: NodeId::from_bytes([1; 16]),
            name: "lab".into(),
            owner: UserId::from_bytes([2; 16]),
            grants: BTreeMap::new(),
            identity: [0; 32],
            former_keys: Vec::new(),
            labels: BTreeMap::from([("zone".into(), "a".into()), ("gpu".into(), String::new())]),
            admission: Admission::Active,
            suspicion: None,
            join: cortex_core::node::JoinState::default(),
            cordoned: true,
            capabilities: None,
            version: "0.1.0".into(),
            enrolled_at: Timestamp::from_millis(0),
            presence,
        };
        Listed { node, owner: owner.map(ToOwned::to_owned), taken: 3 }
    }

    #[test]
    fn a_node_is_shown_with_dot_word_and_spans() {
        let start = Timestamp::from_millis(0);
        let mut presence = Presence::default();
        let opened = Sighting::Opened {
            boot: BootId::from_bytes([1; 16]),
            capabilities: None,
            version: String::new(),
        };
        presence.apply(&opened, start).unwrap();
        let online = of_node(&listed(presence.clone(), None), start + Duration::from_secs(5));
        assert_eq!((online.sign, online.word.as_str()), ('●', "online, cordoned"));
        assert_eq!(online.labels, ["gpu", "zone=a"]);
        assert_eq!(online.last_seen.unwrap().relative, "now");
        let later = start + Duration::from_secs(90_061);
        let offline = of_node(&listed(presence, Some("ada")), later);
        let all = cortex_core::node::UNSTATED_SLOTS;
        assert_eq!((online.slots, offline.slots.as_str()), (format!("3/{all}"), ""));
        assert_eq!((online.owner, offline.owner.as_deref()), (None, Some("ada")));
        assert_eq!((offline.sign, offline.class), ('■', "offline"));
        assert_eq!(offline.last_seen.unwrap().relative, "1 d 1 h");
    }

    #[test]
    fn an_open_invite_waits_as_a_row_of_its_own() {
        let now = Timestamp::from_millis(0);
        let mut invite = Invite {
            id: InviteId::from_bytes([1; 16]),
            secret_digest: [0; 32],
            owner: UserId::from_bytes([2; 16]),
            name: "new".into(),
            labels: BTreeMap::new(),
            created_at: now,
            expires_at: now + Duration::from_secs(600),
            fate: Fate::Open,
        };
        let rows =
            rows_of(&[listed(Presence::default(), None)], std::slice::from_ref(&invite), now);
        assert_eq!(rows[1].word, "invited, 10 min left");
        assert_eq!(summary_of(&rows), "0 of 2 online");
        invite.fate = Fate::Withdrawn { at: now };
        assert!(rows_of(&[], &[invite], now).is_empty());
    }

    #[test]
    fn spans_have_two_units() {
        let of = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([of(0), of(59), of(60)], ["0 s", "59 s", "1 min"]);
        assert_eq!([of(3_661), of(86_400)], ["1 h 1 min", "1 d 0 h"]);
    }
}
