//! What the node is enrolled as, and how that moves on with each renewal.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::Result;
use cortex_core::timestamp::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use super::Enrolment;
use super::TlsKey;
use super::keep;

/// A certificate of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// The generation that its key was made for.
    pub(crate) key: u64,
    /// The certificate and those above it, DER, the node's own first.
    #[serde(with = "chain")]
    pub(crate) chain: Vec<Vec<u8>>,
    /// When it was got, by this machine's clock.
    pub(crate) from: Timestamp,
    /// When it ends, by this machine's clock.
    pub(crate) to: Timestamp,
}

/// The join state on the disk. Shared by whoever reads it and the one who renews.
#[derive(Debug)]
pub(crate) struct JoinState {
    dir: PathBuf,
    enrolment: Mutex<Enrolment>,
}

impl JoinState {
    pub(super) fn new(dir: PathBuf, enrolment: Enrolment) -> Self {
        Self { dir, enrolment: Mutex::new(enrolment) }
    }

    /// What the node is enrolled as now.
    pub(crate) fn current(&self) -> Enrolment {
        self.lock().clone()
    }

    /// The key of the certificate that counts now.
    ///
    /// # Errors
    /// As [`Identity::open`](super::Identity::open). Blocks, as all below.
    pub(crate) fn key(&self) -> Result<Option<TlsKey>> {
        match self.current().certificate {
            Some(certificate) => TlsKey::read(&self.dir, certificate.key),
            None => Ok(None),
        }
    }

    /// The key of a renewal that was begun and has not come to its end.
    ///
    /// # Errors
    /// As [`Identity::open`](super::Identity::open).
    pub(crate) fn begun(&self) -> Result<Option<TlsKey>> {
        TlsKey::read(&self.dir, self.next_generation())
    }

    /// Begins a renewal: makes its key. One that was begun goes on with the same key, since the hub
    /// may have issued its certificate already.
    ///
    /// # Errors
    /// As [`Identity::open`](super::Identity::open).
    pub(crate) fn begin(&self) -> Result<TlsKey> {
        TlsKey::read_or_make(&self.dir, self.next_generation())
    }

    /// Ends a renewal: keeps what the hub answered, and then removes the keys before.
    ///
    /// # Errors
    /// `Denied`: the file cannot be written; the earlier state stays.
    pub(crate) fn finish(&self, generation: u64, certificate: Certificate) -> Result<()> {
        let mut enrolment = self.lock();
        let key = certificate.key;
        let next = Enrolment { generation, certificate: Some(certificate), ..enrolment.clone() };
        keep(&self.dir, &next)?;
        *enrolment = next;
        TlsKey::remove_before(&self.dir, key);
        Ok(())
    }

    /// The number of the next key: above that of any key that was certified.
    fn next_generation(&self) -> u64 {
        self.lock().generation.saturating_add(1)
    }

    fn lock(&self) -> MutexGuard<'_, Enrolment> {
        // What is locked is replaced as a whole, so a panic leaves nothing torn.
        self.enrolment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Certificates as base64 texts.
mod chain {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::Deserialize as _;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(
        chain: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(chain.iter().map(|one| STANDARD.encode(one)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| STANDARD.decode(text).map_err(D::Error::custom)).collect()
    }
}
