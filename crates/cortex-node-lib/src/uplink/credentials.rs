//! What the node shows to TLS, and where the next of it comes from.

use std::fmt;
use std::time::Duration;

use cortex_core::Result;
use cortex_core::timestamp::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;

/// Keeps the node's TLS keys, certificates and generation. What it has stored survives a crash.
///
/// All methods read or write files: they are called where that is no harm.
pub(crate) trait Credentials: Send + Sync + fmt::Debug {
    /// What counts now.
    ///
    /// # Errors
    /// Those of the files.
    fn current(&self) -> Result<Current>;

    /// Begins a renewal, or goes on with the one that was begun: returns its signing request, whose
    /// key is stored.
    ///
    /// # Errors
    /// Those of the files.
    fn begin_renewal(&self) -> Result<Vec<u8>>;

    /// Ends a renewal: what was issued counts from now on.
    ///
    /// # Errors
    /// Those of the files.
    fn finish_renewal(&self, renewed: Renewed) -> Result<()>;
}

/// What counts now.
#[derive(Debug)]
pub(crate) struct Current {
    /// Join-state generation.
    pub(crate) generation: u64,
    /// The certificate; `None` where the hub issues none.
    pub(crate) certificate: Option<Certificate>,
    /// A renewal was begun, and nobody knows whether the hub has moved on; or its key was lost. No
    /// stream may be opened before a renewal has come to its end.
    pub(crate) is_renewing: bool,
}

/// A certificate with its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The node's own first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub(crate) key: PrivateKeyDer<'static>,
    /// When it was got.
    pub(crate) from: Timestamp,
    /// When it ends.
    pub(crate) to: Timestamp,
}

/// A certificate as the hub issued it.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// X.509, DER, the node's own first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// How long it is good from now on.
    pub(crate) life: Duration,
}

/// The end of a renewal.
#[derive(Debug, Clone)]
pub(crate) struct Renewed {
    /// The generation that the node is at.
    pub(crate) generation: u64,
    /// The certificate.
    pub(crate) issued: Issued,
}
