//! The hub's secrets on disk: who it is, its trust anchor, its token key, and its rings of
//! authorities and signing masters.
//!
//! They are made together in a folder that is not the final one, brought to the disk, and then
//! renamed in one step: a crash in the middle leaves a folder that the next start throws away,
//! never half a vault. A vault that misses a file is reported, not completed, because a hub with a
//! new authority or master would silently cut off every node.
//!
//! A ring changes in the same spirit: new keys are written first, then one file that says which
//! keys count is replaced, then keys that are gone are removed. See `layout`.

mod files;
mod layout;

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use tokio::sync::watch;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;
use zeroize::Zeroizing;

use super::rings::Ca;
use super::rings::Rings;
use super::rings::Step;

const OPERATION: &str = "open hub secrets";

const FOLDER: &str = "trust";
const UNFINISHED: &str = "trust.new";

const HUB: &str = "hub.id";
const TOKEN_KEY: &str = "token.key.pem";
const ANCHOR: &str = "anchor.key.pem";

/// A hub's secrets, in memory and on disk. Erased when dropped; `Debug` shows the hub's id only.
pub struct Vault {
    pub(super) hub: HubId,
    pub(super) token_key: SigningKey,
    pub(super) anchor: SigningKey,
    folder: PathBuf,
    rings: watch::Sender<Arc<Rings>>,
    /// Held while the rings change.
    changing: Mutex<()>,
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
            Self::create(&folder, now)?.store(data_dir)?;
        }
        Self::load(&folder, now)
    }

    /// The hub's id.
    #[must_use]
    pub fn hub(&self) -> HubId {
        self.hub
    }

    /// The rings as they are now.
    pub(super) fn rings(&self) -> Arc<Rings> {
        self.rings.borrow().clone()
    }

    /// The rings, now and whenever they change.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Rings>> {
        self.rings.subscribe()
    }

    /// Takes a step of a rotation. Once this returns `Ok`, it survives a crash; then all who watch
    /// the rings see it. Blocks.
    ///
    /// # Errors
    /// `Precondition`: it is not this step's turn, or the folder cannot be written; everything
    /// stays as it was. `Internal`: the system gives no random bytes.
    pub(super) fn turn(&self, step: &Step, now: Timestamp) -> Result<()> {
        let _one_at_a_time = super::lock(&self.changing);
        let before = self.rings();
        let next = before.after(self.hub, step, now)?;
        for file in layout::added(&before, &next) {
            files::put(&self.folder, &file.name, file.content.as_bytes())?;
        }
        files::put(&self.folder, layout::RINGS, &layout::write(&next))?;
        for name in layout::removed(&before, &next) {
            // It counts no more, and the next start removes it.
            if let Err(error) = files::remove(&self.folder, &name) {
                tracing::warn!(%error, "a key that is not used any more stays on the disk");
            }
        }
        self.rings.send_replace(Arc::new(next));
        Ok(())
    }

    /// A vault whose random parts are known, but for its authority. It has no folder.
    #[cfg(test)]
    pub(super) fn sample(now: Timestamp) -> Self {
        let hub = HubId::from_bytes([1; 16]);
        let master = super::master::Master::from_bytes(Zeroizing::new([7; 32]));
        let rings = Rings::first(Ca::generate(hub, now).unwrap(), master, now);
        Self::of(hub, [9, 8].map(|seed| SigningKey::from_bytes(&[seed; 32])), Path::new(""), rings)
    }

    fn of(hub: HubId, keys: [SigningKey; 2], folder: &Path, rings: Rings) -> Self {
        let [token_key, anchor] = keys;
        Self {
            hub,
            token_key,
            anchor,
            folder: folder.to_path_buf(),
            rings: watch::Sender::new(Arc::new(rings)),
            changing: Mutex::new(()),
        }
    }

    fn create(folder: &Path, now: Timestamp) -> Result<Self> {
        let hub = HubId::generate();
        let keys = [new_key("make token key")?, new_key("make trust anchor")?];
        Ok(Self::of(hub, keys, folder, Rings::generate(hub, now)?))
    }

    fn store(&self, data_dir: &Path) -> Result<()> {
        let unfinished = data_dir.join(UNFINISHED);
        files::make_parents(data_dir)?;
        files::remove_left_over(&unfinished)?;
        files::make_private(&unfinished)?;
        let write = |name: &str, bytes: &[u8]| files::write(&unfinished.join(name), bytes);
        let rings = self.rings();
        write(HUB, format!("{}\n", self.hub).as_bytes())?;
        write(TOKEN_KEY, pem(&self.token_key)?.as_bytes())?;
        write(ANCHOR, pem(&self.anchor)?.as_bytes())?;
        for file in layout::all(&rings) {
            write(&file.name, file.content.as_bytes())?;
        }
        write(layout::RINGS, &layout::write(&rings))?;
        files::bring_to_disk(&unfinished)?;
        files::rename(&unfinished, &self.folder)?;
        files::bring_to_disk(data_dir)
    }

    fn load(folder: &Path, now: Timestamp) -> Result<Self> {
        files::check_folder(folder)?;
        let hub = text(&files::read(&folder.join(HUB))?).and_then(|text| text.parse().ok());
        let hub = hub.ok_or_else(|| damaged(&folder.join(HUB)))?;
        let token_key = read_key(&folder.join(TOKEN_KEY))?;
        complete_first_layout(folder, now)?;
        let anchor = read_key(&folder.join(ANCHOR))?;
        let rings = layout::read(folder)?;
        check_validity(&rings.ca.active().key, now)?;
        for name in layout::strays(&rings, files::names(folder)?) {
            files::remove(folder, &name)?;
        }
        Ok(Self::of(hub, [token_key, anchor], folder, rings))
    }
}

/// Adds what vaults lack that were made before there were rings: the anchor, and the file that
/// says which keys count. That file comes last, so that a crash in between changes nothing.
fn complete_first_layout(folder: &Path, now: Timestamp) -> Result<()> {
    if files::exists(&folder.join(layout::RINGS))? || layout::is_turned(&files::names(folder)?) {
        return Ok(());
    }
    if !files::exists(&folder.join(ANCHOR))? {
        files::put(folder, ANCHOR, pem(&new_key("make trust anchor")?)?.as_bytes())?;
    }
    files::put(folder, layout::RINGS, &layout::first(now))
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("hub", &self.hub).finish_non_exhaustive()
    }
}

fn new_key(operation: &'static str) -> Result<SigningKey> {
    let seed = Zeroizing::new(super::random(operation)?);
    Ok(SigningKey::from_bytes(&seed))
}

fn pem(key: &SigningKey) -> Result<Zeroizing<String>> {
    key.to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| Error::new(Kind::Internal, OPERATION, error.to_string()))
}

fn read_key(path: &Path) -> Result<SigningKey> {
    let bytes = files::read(path)?;
    text(&bytes).and_then(|text| SigningKey::from_pkcs8_pem(text).ok()).ok_or_else(|| damaged(path))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim)
}

fn check_validity(ca: &Ca, now: Timestamp) -> Result<()> {
    let expired = |message: String| {
        Error::new(Kind::Precondition, OPERATION, message)
            .with_code("ca_expired")
            .with_hint("check the system's clock")
    };
    let (_, parsed) = X509Certificate::from_der(&ca.certificate)
        .map_err(|error| expired(format!("the authority cannot be read: {error}")))?;
    let (from, to) = (parsed.validity().not_before, parsed.validity().not_after);
    let seconds = now.as_millis().div_euclid(1_000);
    if seconds < from.timestamp() || seconds > to.timestamp() {
        return Err(expired(format!("the hub's authority is good from {from} to {to}, not now")));
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
