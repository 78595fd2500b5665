//! The join state on the disk, as the uplink wants it.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use cortex_core::Result;
use cortex_core::timestamp::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::identity;
use crate::identity::JoinState;
use crate::uplink;
use crate::uplink::Current;
use crate::uplink::Issued;
use crate::uplink::Renewed;

/// The node's keys and certificates in its data directory.
#[derive(Debug)]
pub(super) struct Credentials {
    join: Arc<JoinState>,
}

impl Credentials {
    pub(super) fn new(join: Arc<JoinState>) -> Self {
        Self { join }
    }
}

impl uplink::Credentials for Credentials {
    fn current(&self) -> Result<Current> {
        let enrolment = self.join.current();
        let key = self.join.key()?;
        // A certificate whose key was lost is as good as none: the next one is to be got.
        let is_lost = enrolment.certificate.is_some() && key.is_none();
        let certificate = enrolment.certificate.zip(key);
        let certificate = certificate.map(|(kept, key)| uplink::Certificate {
            chain: kept.chain.into_iter().map(CertificateDer::from).collect(),
            key: PrivatePkcs8KeyDer::from(key.to_pkcs8().to_vec()).into(),
            from: kept.from,
            to: kept.to,
        });
        let is_renewing = is_lost || self.join.begun()?.is_some();
        Ok(Current { generation: enrolment.generation, certificate, is_renewing })
    }

    fn begin_renewal(&self) -> Result<Vec<u8>> {
        self.join.begin()?.request()
    }

    fn finish_renewal(&self, renewed: Renewed) -> Result<()> {
        let key = self.join.current().generation.saturating_add(1);
        self.join.finish(renewed.generation, kept(renewed.issued, key))
    }
}

/// What is kept of a certificate that was issued just now, for the key of this number.
pub(super) fn kept(issued: Issued, key: u64) -> identity::Certificate {
    let from = Timestamp::from(SystemTime::now());
    // What nobody can reach is as good as any end.
    let life = issued.life.min(Duration::from_secs(u64::from(u32::MAX)));
    identity::Certificate { key, chain: issued.chain, from, to: from + life }
}
