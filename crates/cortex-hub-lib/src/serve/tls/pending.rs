//! Handshakes under way: how many, from where, since when.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::task::Id;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::TlsConnection;

/// Owns the tasks that run handshakes.
#[derive(Debug, Default)]
pub(super) struct Pending {
    tasks: JoinSet<Option<TlsConnection>>,
    entries: HashMap<Id, Entry>,
    by_source: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    source: IpAddr,
    since: Instant,
    task: AbortHandle,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn len_from(&self, peer: IpAddr) -> usize {
        self.by_source.get(&source_of(peer)).copied().unwrap_or(0)
    }

    pub(super) fn start<F>(&mut self, peer: IpAddr, handshake: F)
    where
        F: Future<Output = Option<TlsConnection>> + Send + 'static,
    {
        let source = source_of(peer);
        let task = self.tasks.spawn(handshake);
        *self.by_source.entry(source).or_insert(0) += 1;
        self.entries.insert(task.id(), Entry { source, since: Instant::now(), task });
    }

    /// When the oldest one was started.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.since).min()
    }

    /// Gives up the oldest one if it is at least as old as `age`, and says whether it did.
    pub(super) fn give_up_oldest(&mut self, age: Duration) -> bool {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.since);
        let Some((id, entry)) = oldest else { return false };
        if entry.since.elapsed() < age {
            return false;
        }
        entry.task.abort();
        let id = *id;
        self.forget(id);
        true
    }

    /// Ready with the next connection whose handshake succeeded; pending also when none is under
    /// way.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<TlsConnection> {
        loop {
            match ready!(self.tasks.poll_join_next_with_id(cx)) {
                // An empty set wakes nobody: the caller waits for a new connection as well.
                None => return Poll::Pending,
                Some(Ok((id, connection))) => {
                    let was_given_up = self.forget(id).is_none();
                    if let Some(connection) = connection
                        && !was_given_up
                    {
                        return Poll::Ready(connection);
                    }
                }
                Some(Err(error)) => {
                    self.forget(error.id());
                    if error.is_panic() {
                        tracing::error!(%error, "TLS handshake panicked");
                    }
                }
            }
        }
    }

    fn forget(&mut self, id: Id) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(count) = self.by_source.get_mut(&entry.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&entry.source);
            }
        }
        Some(entry)
    }
}

/// What counts as one source: an IPv4 address, or the /64 that an IPv6 host can pick from at will.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_and_a_mapped_address_count_as_one_source() {
        let source = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1:2:3"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
