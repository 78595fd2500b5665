//! One pass of the scheduler: what waits, where there is room, who gets which slot.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::capability::Facts;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::node::Node;
use cortex_core::placement::Plan;
use cortex_core::placement::Scope;
use cortex_core::placement::Seats;
use cortex_core::placement::Shares;
use cortex_core::placement::Waiting;
use cortex_core::placement::plan;
use cortex_core::session::Session;

use super::Dispatch;
use super::open::Bounds;
use super::pool::OFFER_LIFE;
use super::queue::Head;
use super::queue::Need;
use super::queue::Seat;
use crate::clock;
use crate::link::Down;
use crate::link::Link;

/// More slots than this are given away in several passes.
const MOST_AT_ONCE: u32 = 4_096;

/// A node that takes tasks now.
#[derive(Debug)]
struct Host {
    link: Arc<Link>,
    node: Arc<Node>,
    free: u32,
}

/// Tasks of one user in one session; those that name their nodes are not offered but sent.
type Circle = (SessionId, UserId, bool);

impl Dispatch {
    /// Gives the free slots to tasks that wait, and takes back what has run out.
    pub(super) async fn pass(&self, shares: &mut Shares) {
        let now = Instant::now();
        self.withdraw_expired(now);
        self.end_overdue(clock::now()).await;
        let hosts = self.hosts();
        let free = hosts.iter().fold(0_u32, |sum, host| sum.saturating_add(host.free));
        if free == 0 {
            return;
        }
        let most = free.min(MOST_AT_ONCE) as usize;
        let heads = self.open.queue(|queue| queue.heads(most));
        if heads.is_empty() {
            return;
        }
        let scopes = self.scopes(&heads, &hosts, now).await;
        let planned = self.plan(&heads, &hosts, &scopes, shares);
        *shares = planned.shares;
        let needs =
            heads.iter().flat_map(|head| head.tasks.iter().map(|(_, id)| (*id, &head.need)));
        let needs: HashMap<TaskId, &Arc<Need>> = needs.collect();
        self.hand_out(&planned.placed, &needs, &hosts, now);
    }

    /// The nodes that are there and have a free slot.
    fn hosts(&self) -> Vec<Host> {
        let now = clock::now();
        let links = self.links.all().into_iter().filter(|link| link.is_live(now));
        let hosts = links.map(|link| {
            let node = link.node();
            let free = node.slots().saturating_sub(self.open.load_of(node.id));
            Host { link, node, free }
        });
        hosts.filter(|host| host.free > 0 && !host.node.cordoned).collect()
    }

    /// Which of the nodes the tasks of each circle may use.
    async fn scopes(&self, heads: &[Head], hosts: &[Host], now: Instant) -> HashMap<Circle, Scope> {
        let deaf = self.pool.deaf(now);
        let mut scopes = HashMap::new();
        for Head { need, .. } in heads {
            let circle = circle_of(need);
            if scopes.contains_key(&circle) {
                continue;
            }
            let (session, user) = match self.known(need).await {
                Ok(known) => known,
                Err(error) => {
                    tracing::warn!(session = %need.session, %error, "cannot place its tasks");
                    continue;
                }
            };
            let may = |host: &&Host| {
                let id = host.node.id;
                let is_asked = circle.2 || !deaf.contains(&id);
                is_asked && session.nodes.contains(&id) && user.hold_of(&host.node).is_some()
            };
            let nodes = hosts.iter().filter(may).map(|host| host.node.id).collect();
            // Which mirrors are fresh is not known here yet.
            scopes.insert(circle, Scope { nodes, near: BTreeSet::new() });
        }
        scopes
    }

    /// The session and the user of a line, as they are now.
    pub(super) async fn known(&self, need: &Need) -> Result<(Arc<Session>, Principal)> {
        let session = match self.pool.session(need.session) {
            Some(session) => session,
            None => {
                let session = Arc::new(self.store.get(need.session).await?);
                self.pool.keep_session(&session);
                session
            }
        };
        Ok((session, self.user_of(need.user).await?))
    }

    /// Somebody for whom a task waits, as they stand now.
    pub(crate) async fn user_of(&self, user: UserId) -> Result<Principal> {
        if let Some(known) = self.pool.user(user) {
            return Ok(known);
        }
        let known = Principal::full(user, self.accounts.role_of(user).await?);
        self.pool.keep_user(&known);
        Ok(known)
    }

    fn plan(
        &self,
        heads: &[Head],
        hosts: &[Host],
        scopes: &HashMap<Circle, Scope>,
        shares: &Shares,
    ) -> Plan {
        let mut queue = Vec::new();
        let mut quotas: BTreeMap<UserId, u32> = BTreeMap::new();
        for Head { need, tasks } in heads {
            let Some(scope) = scopes.get(&circle_of(need)) else { continue };
            quotas.entry(need.user).or_insert_with(|| {
                self.limits.running_tasks.saturating_sub(self.open.slots_of(need.user))
            });
            queue.extend(tasks.iter().map(|(priority, task)| Waiting {
                task: *task,
                user: need.user,
                priority: *priority,
                target: &need.target,
                skill: need.skill.as_deref(),
                scope: Some(scope),
            }));
        }
        // Ids grow with time: this is the order of submission.
        queue.sort_unstable_by_key(|one| one.task);
        let seats: Vec<_> = hosts.iter().map(Host::seats).collect();
        plan(&queue, &seats, shares, &quotas)
    }

    /// Keeps the seats, and offers them. A task that names its node gets it without being offered,
    /// and so does each task that goes to a node that does not claim.
    fn hand_out(
        &self,
        placed: &[(TaskId, NodeId)],
        needs: &HashMap<TaskId, &Arc<Need>>,
        hosts: &[Host],
        now: Instant,
    ) {
        let hosts: HashMap<NodeId, &Host> = hosts.iter().map(|host| (host.node.id, host)).collect();
        let mut offers: BTreeMap<NodeId, Vec<TaskId>> = BTreeMap::new();
        let mut granted = Vec::new();
        for (task, node) in placed {
            let (Some(host), Some(need)) = (hosts.get(node), needs.get(task)) else { continue };
            let claimed = need.target.is_closed() || !host.node.claims();
            let seat = Seat { node: *node, epoch: host.link.epoch, at: now, claimed };
            let bounds = Bounds { slots: host.node.slots(), quota: self.limits.running_tasks };
            if !self.open.seat(*task, need.user, seat, bounds) {
                continue;
            }
            if claimed {
                granted.push(*task);
            } else {
                offers.entry(*node).or_default().push(*task);
            }
        }
        self.pool.grant(granted);
        for (node, offered) in offers {
            self.metrics.offers.inc_by(offered.len() as u64);
            let down = Down::Pool { offered, withdrawn: Vec::new() };
            if hosts[&node].link.send(down).is_err() {
                self.pool.note_deaf(node, now);
                self.open.queue(|queue| queue.withdraw(node));
                self.ring();
            }
        }
    }

    /// Takes back what was not claimed in time; the nodes are left alone for a while.
    fn withdraw_expired(&self, now: Instant) {
        let Some(before) = now.checked_sub(OFFER_LIFE) else { return };
        let mut by_node: BTreeMap<NodeId, Vec<TaskId>> = BTreeMap::new();
        for (task, seat) in self.open.queue(|queue| queue.expire(before)) {
            by_node.entry(seat.node).or_default().push(task);
        }
        for (node, withdrawn) in by_node {
            tracing::info!(%node, tasks = withdrawn.len(), "node does not claim what it is offered");
            self.pool.note_deaf(node, now);
            self.tell_withdrawn(node, withdrawn);
        }
    }

    /// Takes back all that a node is offered.
    pub(super) fn withdraw_offers(&self, node: NodeId) {
        let withdrawn = self.open.queue(|queue| queue.withdraw(node));
        self.tell_withdrawn(node, withdrawn);
    }

    pub(super) fn tell_withdrawn(&self, node: NodeId, withdrawn: Vec<TaskId>) {
        if withdrawn.is_empty() {
            return;
        }
        self.metrics.offers_withdrawn.inc_by(withdrawn.len() as u64);
        let down = Down::Pool { offered: Vec::new(), withdrawn };
        if self.links.send(node, down).is_err() {
            // It forgets them with its stream; one that claims them all the same is told then.
            tracing::debug!(%node, "withdrawal cannot be told");
        }
    }
}

impl Host {
    fn seats(&self) -> Seats<'_> {
        let capabilities = self.node.capabilities.as_ref();
        let facts = Facts { labels: &self.node.labels, capabilities };
        Seats { node: self.node.id, facts, free: self.free }
    }
}

fn circle_of(need: &Need) -> Circle {
    (need.session, need.user, need.target.is_closed())
}
