//! The doors of the node port: which certificates are asked for, by the name that a client dials.
//!
//! In `mutual` nobody gets through a handshake without a certificate of the hub's authority, except
//! by one name, [`enrolment_name`]: there, whoever has no certificate yet, or no longer, finds the
//! enrolment service and nothing else. So one port is enough, and a node needs to be told nothing
//! more than the hub's name and pin.

use std::net::SocketAddr;
use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
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
    /// The one that only the enrolment service is behind.
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
    main: Arc<ServerConfig>,
    enrolment: Option<(String, Arc<ServerConfig>)>,
}

/// The name of the door for enrolments, of a hub with this internal name.
#[must_use]
pub fn enrolment_name(server_name: &str) -> String {
    format!("enrol.{server_name}")
}

impl Doors {
    /// The doors of the node port.
    ///
    /// # Errors
    /// `Internal`: the TLS library refused.
    pub fn for_nodes(hub: HubId, authority: &Authority, nodes: NodeTls) -> Result<Self> {
        let open = authority.tls_config();
        let main = match nodes {
            NodeTls::Token => Arc::clone(&open),
            NodeTls::Mutual => authority.mutual_config()?,
        };
        let name = enrolment_name(authority.server_name());
        Ok(Self { hub, main, enrolment: Some((name, open)) })
    }

    /// One door for all.
    #[must_use]
    pub fn single(hub: HubId, config: Arc<ServerConfig>) -> Self {
        Self { hub, main: config, enrolment: None }
    }

    /// The door of a client that asks for this name, if it names any.
    #[must_use]
    pub fn choose(&self, server_name: Option<&str>) -> (Door, Arc<ServerConfig>) {
        match (&self.enrolment, server_name) {
            (Some((name, config)), Some(asked)) if asked.eq_ignore_ascii_case(name) => {
                (Door::Enrolment, Arc::clone(config))
            }
            _ => (Door::Main, Arc::clone(&self.main)),
        }
    }

    /// The node that a verified chain of certificates is of.
    #[must_use]
    pub fn node_of(&self, chain: Option<&[CertificateDer<'_>]>) -> Option<NodeId> {
        node_certificate::node_of(chain?.first()?, self.hub)
    }
}
