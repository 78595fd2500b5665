//! The doors of the node port: which certificates are asked for, by the name that a client dials.
//!
//! In `mutual` nobody gets through a handshake without a certificate of an authority of the hub,
//! except by one name, [`enrolment_name`]: there, whoever has no certificate yet, or no longer, finds
//! enrolment, renewal and trust bundles, and nothing else. So one port is enough, and a node needs to
//! be told nothing more than the hub's name and pin. Authorities can be replaced: each connection is
//! judged by those that are accepted when it comes, and ends when its certificate runs out or the
//! authority behind that is revoked.

use std::net::SocketAddr;
use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::timestamp::Timestamp;
use futures::future::BoxFuture;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use super::Authority;
use super::node_certificate;
use crate::config::NodeTls;

/// By which door a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The one that all services are behind.
    Main,
    /// The one that only enrolment, renewal and trust bundles are behind.
    Enrolment,
}

/// Who is at the other end of a connection, as far as TLS has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// By which door it came.
    pub door: Door,
    /// The node whose certificate it showed and whose key it holds.
    pub node: Option<NodeId>,
}

/// The TLS configurations of a listener, and who gets which.
#[derive(Debug)]
pub struct Doors {
    hub: HubId,
    main: Main,
    enrolment: Option<(String, Arc<ServerConfig>)>,
}

/// What the main door asks for.
#[derive(Debug)]
enum Main {
    /// No certificate.
    Open(Arc<ServerConfig>),
    /// One of an authority that is accepted at that moment.
    Mutual(Arc<Authority>),
}

/// The name of the door for enrolments, of a hub with this internal name.
#[must_use]
pub fn enrolment_name(server_name: &str) -> String {
    format!("enrol.{server_name}")
}

impl Doors {
    /// The doors of the node port.
    #[must_use]
    pub fn for_nodes(hub: HubId, authority: &Arc<Authority>, nodes: NodeTls) -> Self {
        let open = authority.tls_config();
        let main = match nodes {
            NodeTls::Token => Main::Open(Arc::clone(&open)),
            NodeTls::Mutual => Main::Mutual(Arc::clone(authority)),
        };
        let name = enrolment_name(authority.server_name());
        Self { hub, main, enrolment: Some((name, open)) }
    }

    /// One door for all.
    #[must_use]
    pub fn single(hub: HubId, config: Arc<ServerConfig>) -> Self {
        Self { hub, main: Main::Open(config), enrolment: None }
    }

    /// The door of a client that asks for this name, if it names any.
    ///
    /// # Errors
    /// `Internal`: the TLS library refused.
    pub fn choose(
        &self,
        server_name: Option<&str>,
        now: Timestamp,
    ) -> Result<(Door, Arc<ServerConfig>)> {
        match (&self.enrolment, server_name) {
            (Some((name, config)), Some(asked)) if asked.eq_ignore_ascii_case(name) => {
                return Ok((Door::Enrolment, Arc::clone(config)));
            }
            _ => {}
        }
        let config = match &self.main {
            Main::Open(config) => Arc::clone(config),
            Main::Mutual(authority) => authority.mutual_config(now)?,
        };
        Ok((Door::Main, config))
    }

    /// The node that a verified chain of certificates is of.
    #[must_use]
    pub fn node_of(&self, chain: Option<&[CertificateDer<'_>]>) -> Option<NodeId> {
        node_certificate::node_of(chain?.first()?, self.hub)
    }

    /// Ends when a verified chain of certificates is good no more: it runs out, or the authority
    /// behind it is revoked. What came in by it ends with it. `None` where there is no chain.
    #[must_use]
    pub fn until_distrusted(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        now: Timestamp,
    ) -> Option<BoxFuture<'static, ()>> {
        match (&self.main, chain?) {
            (Main::Mutual(authority), [leaf, ..]) => {
                Some(Box::pin(authority.until_distrusted(leaf, now)))
            }
            _ => None,
        }
    }
}
