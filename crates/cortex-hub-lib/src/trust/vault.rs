//! The hub's secrets on disk: who it is, its authority, its signing master, its token key.
//!
//! They are made together in a folder that is not the final one, brought to the disk, and then
//! renamed in one step: a crash in the middle leaves a folder that the next start throws away,
//! never half a vault. A vault that misses a file is reported, not completed, because a hub with a
//! new authority or master would silently cut off every node.

mod files;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;
use zeroize::Zeroizing;

use super::certificate;
use super::certificate::PrivateKey;
use super::master::Master;

const OPERATION: &str = "open hub secrets";

const FOLDER: &str = "trust";
const UNFINISHED: &str = "trust.new";

const HUB: &str = "hub.id";
const CA_KEY: &str = "ca.key.pem";
const CA_CERTIFICATE: &str = "ca.cert.pem";
const MASTER: &str = "signing.master";
const TOKEN_KEY: &str = "token.key.pem";

/// A hub's secrets, in memory. Erased when dropped; `Debug` shows the hub's id only.
pub struct Vault {
    pub(super) hub: HubId,
    pub(super) ca_key: Arc<PrivateKey>,
    pub(super) ca: CertificateDer<'static>,
    pub(super) master: Arc<Master>,
    pub(super) token_key: SigningKey,
}

impl Vault {
    /// Reads the secrets in `data_dir/trust`, or makes them if that folder does not exist.
    ///
    /// Once this returns `Ok`, they survive a crash. The folder is 0700 and each file 0600. Blocks.
    ///
    /// # Errors
    /// `Precondition`: a file can be read by others (code `secrets_exposed`, the hint says what to
    /// run), is missing or damaged (code `trust_incomplete`), the authority is not good now (code
    /// `ca_expired`), or the folder cannot be read or written. `Internal`: the system gives no
    /// random bytes.
    pub fn open(data_dir: &Path, now: Timestamp) -> Result<Self> {
        let folder = data_dir.join(FOLDER);
        if !files::exists(&folder)? {
            Self::create(now)?.store(data_dir, &folder)?;
        }
        Self::load(&folder, now)
    }

    /// The hub's id.
    #[must_use]
    pub fn hub(&self) -> HubId {
        self.hub
    }

    /// A vault whose random parts are known, but for its authority.
    #[cfg(test)]
    pub(super) fn sample(now: Timestamp) -> Self {
        let ca_key = PrivateKey::generate().unwrap();
        let hub = HubId::from_bytes([1; 16]);
        Self {
            hub,
            ca: certificate::authority(hub, &ca_key, now).unwrap(),
            ca_key: Arc::new(ca_key),
            master: Arc::new(Master::from_bytes(Zeroizing::new([7; 32]))),
            token_key: SigningKey::from_bytes(&[9; 32]),
        }
    }

    fn create(now: Timestamp) -> Result<Self> {
        let hub = HubId::generate();
        let ca_key = PrivateKey::generate()?;
        let seed = Zeroizing::new(super::random("make token key")?);
        Ok(Self {
            hub,
            ca: certificate::authority(hub, &ca_key, now)?,
            ca_key: Arc::new(ca_key),
            master: Arc::new(Master::generate()?),
            token_key: SigningKey::from_bytes(&seed),
        })
    }

    fn store(&self, data_dir: &Path, folder: &Path) -> Result<()> {
        let unfinished = data_dir.join(UNFINISHED);
        files::make_parents(data_dir)?;
        files::remove_left_over(&unfinished)?;
        files::make_private(&unfinished)?;
        let token_key = self
            .token_key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| Error::new(Kind::Internal, OPERATION, error.to_string()))?;
        let master = Zeroizing::new(hex::encode(self.master.expose()) + "\n");
        let write = |name: &str, text: &str| files::write(&unfinished.join(name), text.as_bytes());
        write(HUB, &format!("{}\n", self.hub))?;
        write(CA_KEY, &self.ca_key.to_pem())?;
        write(CA_CERTIFICATE, &certificate::pem("CERTIFICATE", &self.ca))?;
        write(MASTER, &master)?;
        write(TOKEN_KEY, &token_key)?;
        files::bring_to_disk(&unfinished)?;
        files::rename(&unfinished, folder)?;
        files::bring_to_disk(data_dir)
    }

    fn load(folder: &Path, now: Timestamp) -> Result<Self> {
        files::check_folder(folder)?;
        let read = |name: &str| files::read(&folder.join(name));
        let damaged = |name: &str| damaged(&folder.join(name));
        let hub = text(&read(HUB)?).and_then(|text| text.parse().ok());
        let hub = hub.ok_or_else(|| damaged(HUB))?;
        let ca_key = PrivateKey::from_pem(&read(CA_KEY)?).ok_or_else(|| damaged(CA_KEY))?;
        let ca = CertificateDer::from_pem_slice(&read(CA_CERTIFICATE)?)
            .map_err(|_| damaged(CA_CERTIFICATE))?;
        check_certificate(&ca, &ca_key, now, &folder.join(CA_CERTIFICATE))?;
        let mut master = Zeroizing::new([0; 32]);
        text(&read(MASTER)?)
            .and_then(|text| hex::decode_to_slice(text, &mut master[..]).ok())
            .ok_or_else(|| damaged(MASTER))?;
        let token_key = text(&read(TOKEN_KEY)?)
            .and_then(|text| SigningKey::from_pkcs8_pem(text).ok())
            .ok_or_else(|| damaged(TOKEN_KEY))?;
        let master = Arc::new(Master::from_bytes(master));
        Ok(Self { hub, ca_key: Arc::new(ca_key), ca, master, token_key })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("hub", &self.hub).finish_non_exhaustive()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim)
}

fn check_certificate(
    ca: &CertificateDer<'_>,
    key: &PrivateKey,
    now: Timestamp,
    path: &Path,
) -> Result<()> {
    let (rest, parsed) = X509Certificate::from_der(ca).map_err(|_| damaged(path))?;
    if !rest.is_empty() || !parsed.is_ca() || parsed.public_key().raw != key.public_key_info() {
        return Err(damaged(path));
    }
    let (from, to) = (parsed.validity().not_before, parsed.validity().not_after);
    let seconds = now.as_millis().div_euclid(1_000);
    if seconds < from.timestamp() || seconds > to.timestamp() {
        let message = format!("{} is good from {from} to {to}, not now", path.display());
        return Err(Error::new(Kind::Precondition, OPERATION, message)
            .with_code("ca_expired")
            .with_hint("check the system's clock"));
    }
    Ok(())
}

fn damaged(path: &Path) -> Error {
    let message = format!("{} is damaged or does not belong here", path.display());
    Error::new(Kind::Precondition, OPERATION, message)
        .with_code("trust_incomplete")
        .with_hint(RESTORE)
}

const RESTORE: &str = "restore the whole folder from a backup; only if no node has enrolled yet, \
                       remove it and start the hub again";

#[cfg(test)]
mod tests;
