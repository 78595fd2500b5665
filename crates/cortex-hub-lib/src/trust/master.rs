//! The 32 bytes that all derived secrets come from: a leaked database holds none of them.

use std::fmt;

use cortex_core::Result;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The signing master. Erased from memory when dropped; never printed.
pub(super) struct Master(Zeroizing<[u8; 32]>);

impl Master {
    pub(super) fn generate() -> Result<Self> {
        super::random("make signing master").map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(super) fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HKDF-SHA256 without salt; `info` is the parts one after the other. The first part is a text
    /// that ends in NUL and belongs to one purpose only, and all parts but the last have a fixed
    /// length, so that no two purposes share an output.
    pub(super) fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0[..])
            .expand_multi_info(info, &mut out[..])
            .expect("32 bytes are within HKDF's limit");
        out
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(..)")
    }
}
