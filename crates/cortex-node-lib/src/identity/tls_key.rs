//! The keys with which the node proves to TLS who it is: one a generation, each in a file of its own.
//!
//! A key is on the disk before anybody is asked for its certificate, and no file is ever written
//! twice. Which key counts is written in the enrolment, together with its certificate, so that one
//! write changes both.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use rcgen::CertificateParams;
use rcgen::KeyPair;
use rcgen::PKCS_ECDSA_P256_SHA256;
use zeroize::Zeroize as _;
use zeroize::Zeroizing;

use super::OPERATION;
use super::broken;
use super::cannot;
use super::files;

/// A P-256 key. Erased from memory when dropped; never printed.
pub(crate) struct TlsKey(KeyPair);

impl TlsKey {
    /// Reads the key of a generation; `None` where there is none.
    ///
    /// # Errors
    /// As [`Identity::open`](super::Identity::open).
    pub(super) fn read(dir: &Path, generation: u64) -> Result<Option<Self>> {
        let path = file(dir, generation);
        let text = files::read_private(&path).map_err(|error| cannot(&path, "read", error))?;
        let Some(text) = text.map(Zeroizing::new) else { return Ok(None) };
        let pair = std::str::from_utf8(&text).ok().and_then(|pem| {
            KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256).ok()
        });
        pair.map(|pair| Some(Self(pair))).ok_or_else(|| broken(&path, "it is no P-256 key"))
    }

    /// Reads the key of a generation, or makes it: once this returns, it survives a crash.
    ///
    /// # Errors
    /// As [`Identity::open`](super::Identity::open).
    pub(super) fn read_or_make(dir: &Path, generation: u64) -> Result<Self> {
        if let Some(key) = Self::read(dir, generation)? {
            return Ok(key);
        }
        let path = file(dir, generation);
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let pem = Zeroizing::new(pair.serialize_pem());
        files::create_private(&path, pem.as_bytes())
            .map_err(|error| cannot(&path, "write", error))?;
        Ok(Self(pair))
    }

    /// Removes the keys of generations before this one.
    pub(super) fn remove_before(dir: &Path, generation: u64) {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if generation_of(&path).is_some_and(|found| found < generation)
                && let Err(error) = files::remove(&path)
            {
                tracing::warn!(file = %path.display(), %error, "an old key stays");
            }
        }
    }

    /// Erases the keys of all generations, also what a crash left of one.
    ///
    /// # Errors
    /// `Denied`: a file cannot be removed.
    pub(super) fn erase_all(dir: &Path) -> Result<()> {
        let entries = std::fs::read_dir(dir).map_err(|error| cannot(dir, "read", error))?;
        for entry in entries {
            let path = entry.map_err(|error| cannot(dir, "read", error))?.path();
            if generation_of(&path.with_extension("key")).is_some() {
                files::erase(&path).map_err(|error| cannot(&path, "erase", error))?;
            }
        }
        Ok(())
    }

    /// A certificate signing request for it, DER. The hub uses the key of it only.
    ///
    /// # Errors
    /// `Internal`: the cryptographic library refused.
    pub(crate) fn request(&self) -> Result<Vec<u8>> {
        let request = CertificateParams::default().serialize_request(&self.0).map_err(failed)?;
        Ok(request.der().to_vec())
    }

    /// The key as PKCS#8, DER.
    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialized_der().to_vec())
    }
}

impl Drop for TlsKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey(..)")
    }
}

fn file(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("tls-{generation}.key"))
}

fn generation_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("tls-")?.strip_suffix(".key")?.parse().ok()
}

fn failed(error: rcgen::Error) -> Error {
    Error::new(ErrorKind::Internal, OPERATION, "the cryptographic library refused")
        .with_source(error)
}
