//! How connections are secured.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

/// The longest life of a node's certificate, in seconds: 90 days.
const MAX_NODE_CERTIFICATE_S: u64 = 90 * 24 * 3600;

/// The longest life of a node's access token, in seconds: 15 minutes.
const MAX_NODE_TOKEN_S: u64 = 15 * 60;

/// How connections are secured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// What nodes show beside their tokens.
    pub nodes: NodeTls,
    /// Life of a node's certificate, in seconds; nodes renew at about two thirds of it. 90 days at
    /// most.
    pub node_certificate_s: u64,
    /// Life of a node's access token, in seconds; 15 minutes at most.
    pub node_token_s: u64,
    /// Certificate chain for the public name, PEM, with `key`: HTTP is served over TLS with it, and
    /// gRPC clients that ask for another name than the internal one get it. Read again when it
    /// changes. Nodes never see it.
    pub certificate: Option<PathBuf>,
    /// The private key of `certificate`, PEM.
    pub key: Option<PathBuf>,
}

/// What nodes show beside their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeTls {
    /// Nothing: tokens are bound to the identity key, which is proved at each stream.
    #[default]
    Token,
    /// A client certificate of the hub's authority; without one there is no connection.
    Mutual,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            nodes: NodeTls::Token,
            node_certificate_s: 24 * 3600,
            node_token_s: MAX_NODE_TOKEN_S,
            certificate: None,
            key: None,
        }
    }
}

impl Tls {
    /// [`Self::node_certificate_s`] as a span.
    #[must_use]
    pub fn node_certificate_life(&self) -> Duration {
        Duration::from_secs(self.node_certificate_s)
    }

    /// [`Self::node_token_s`] as a span.
    #[must_use]
    pub fn node_token_life(&self) -> Duration {
        Duration::from_secs(self.node_token_s)
    }

    /// The files of the outside certificate and of its key, if both are set.
    #[must_use]
    pub fn outside(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }

    /// Says what is wrong, if something is.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err("tls.certificate and tls.key are given together or not at all");
        }
        if !(1..=MAX_NODE_CERTIFICATE_S).contains(&self.node_certificate_s) {
            return Err("tls.node_certificate_s must be 1 to 7776000 (90 days)");
        }
        if !(1..=MAX_NODE_TOKEN_S).contains(&self.node_token_s) {
            return Err("tls.node_token_s must be 1 to 900 (15 minutes)");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_certificate_and_endless_lives_are_refused() {
        assert_eq!(Tls::default().check(), Ok(()));
        let half = Tls { certificate: Some("a.pem".into()), ..Tls::default() };
        assert!(half.check().is_err_and(|reason| reason.contains("tls.key")));
        for life in [0, MAX_NODE_CERTIFICATE_S + 1] {
            let endless = Tls { node_certificate_s: life, ..Tls::default() };
            assert!(endless.check().is_err_and(|reason| reason.contains("90 days")));
        }
        for life in [0, MAX_NODE_TOKEN_S + 1] {
            let endless = Tls { node_token_s: life, ..Tls::default() };
            assert!(endless.check().is_err_and(|reason| reason.contains("15 minutes")));
        }
    }
}
