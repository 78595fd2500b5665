//! Trust bundles, also the payloads of signed messages of kind CONTROL.

use cortex_core::bundle::Signed;

use crate::v1;

/// The name of the wire message, as envelopes carry it.
pub const TYPE: &str = "cortex.v1.TrustBundle";

impl From<Signed> for v1::TrustBundle {
    fn from(signed: Signed) -> Self {
        Self { bundle: signed.bundle.into(), signature: signed.signature.to_vec().into() }
    }
}
