//! Who the node is: keys that never leave its data directory, and what the hub made of it.
//!
//! The directory belongs to one process at a time; it has mode 0700 and holds
//!
//! | file | what |
//! |---|---|
//! | `identity.key` | the Ed25519 key, made at the first start; mode 0600 |
//! | `identity-next.key` | the key that is to take its place, while the hub is asked for that |
//! | `enrolment.json` | hub, its trust anchor, node id, name, first task keys, generation and certificate, once enrolled |
//! | `tls-N.key` | the P-256 key of the certificate of generation N; mode 0600 |
//! | `trust.bundle` | the newest trust bundle, as it was signed: 64 bytes of signature, then the bundle |
//! | `lock` | locked while a node uses the directory |

mod files;
mod join;
mod next_key;
mod tls_key;

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::bundle;
use cortex_core::bundle::Bundle;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use ed25519_dalek::SIGNATURE_LENGTH;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use serde::Serialize;
use zeroize::Zeroizing;

pub(crate) use join::Certificate;
pub(crate) use join::JoinState;
pub(crate) use tls_key::TlsKey;

const KEY_FILE: &str = "identity.key";
const NEXT_KEY_FILE: &str = "identity-next.key";
const ENROLMENT_FILE: &str = "enrolment.json";
const BUNDLE_FILE: &str = "trust.bundle";
const LOCK_FILE: &str = "lock";
/// The generation that an enrolment begins with.
const FIRST_GENERATION: u64 = 1;
/// Written by the runner.
const JOURNAL_FILE: &str = "journal";
const OPERATION: &str = "open data directory";

/// The node's data directory, open and locked.
pub(crate) struct Identity {
    dir: PathBuf,
    key: Arc<SigningKey>,
    enrolment: Option<Enrolment>,
    bundle: Option<Arc<Bundle>>,
    _lock: Lock,
}

/// The directory's lock file, locked for as long as this lives.
///
/// A lock lives as long as any descriptor of its open file, and a child process holds a copy of
/// every descriptor between its fork and its exec. So the lock is taken back in so many words: to
/// close the file would leave the directory locked for that moment.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked when the process ends.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// What the hub answered when the node enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    /// The hub.
    pub(crate) hub: HubId,
    /// The node's id there.
    pub(crate) node: NodeId,
    /// The node's name there.
    pub(crate) name: String,
    /// The key that signs trust bundles; without it, there are none.
    #[serde(default, with = "anchor", skip_serializing_if = "Option::is_none")]
    pub(crate) trust_anchor: Option<VerifyingKey>,
    /// The keys that sign for this node until it gets a bundle.
    #[serde(with = "keys")]
    pub(crate) task_keys: Vec<VerifyingKey>,
    /// Join-state generation, from 1.
    pub(crate) generation: u64,
    /// The certificate that counts; `None` where the hub issues none.
    #[serde(default)]
    pub(crate) certificate: Option<Certificate>,
}

impl Identity {
    /// Opens the data directory, makes it and the key where they are not there, and locks it.
    ///
    /// Reads and writes files; made for the start of a program, not for a busy thread.
    ///
    /// # Errors
    /// `Conflict` (`data_dir_in_use`): another process uses it. `Denied`: it cannot be written.
    /// `Precondition` (`data_dir_broken`): a file in it cannot be understood; it is left as it is.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        files::make_private_dir(dir).map_err(|error| cannot(dir, "make", error))?;
        let lock = lock(dir)?;
        let key = match read_key(&dir.join(KEY_FILE))? {
            Some(key) => key,
            None => make_key(&dir.join(KEY_FILE))?,
        };
        let enrolment = match files::read_private(&dir.join(ENROLMENT_FILE)) {
            Ok(text) => text.map(|text| read_enrolment(dir, &text)).transpose()?,
            Err(error) => return Err(cannot(&dir.join(ENROLMENT_FILE), "read", error)),
        };
        let bundle = enrolment.as_ref().map(|known| read_bundle(dir, known)).transpose()?.flatten();
        Ok(Self { dir: dir.to_path_buf(), key: Arc::new(key), enrolment, bundle, _lock: lock })
    }

    /// The directory.
    #[must_use]
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key that proves who the node is.
    #[must_use]
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key)
    }

    /// What the node is enrolled as.
    #[must_use]
    pub(crate) fn enrolment(&self) -> Option<&Enrolment> {
        self.enrolment.as_ref()
    }

    /// The TLS key to enrol with; made at the first attempt, and the same for each further one.
    ///
    /// # Errors
    /// As [`Identity::open`].
    pub(crate) fn first_tls_key(&self) -> Result<(u64, TlsKey)> {
        Ok((FIRST_GENERATION, TlsKey::read_or_make(&self.dir, FIRST_GENERATION)?))
    }

    /// The newest trust bundle that was kept before the data directory was opened.
    #[must_use]
    pub(crate) fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundle.clone()
    }

    /// Keeps a trust bundle that was verified: once this returns, it survives a crash.
    ///
    /// # Errors
    /// `Denied`: the file cannot be written; the earlier one stays.
    pub(crate) fn keep_bundle(&self, bundle: &[u8], signature: &[u8]) -> Result<()> {
        let path = self.dir.join(BUNDLE_FILE);
        files::write_atomically(&path, &[signature, bundle].concat())
            .map_err(|error| cannot(&path, "write", error))
    }

    /// Keeps what the node was enrolled as: once this returns, it survives a crash.
    ///
    /// # Errors
    /// `Denied`: the file cannot be written; the earlier state stays.
    pub(crate) fn keep(&mut self, enrolment: Enrolment) -> Result<()> {
        keep(&self.dir, &enrolment)?;
        self.enrolment = Some(enrolment);
        Ok(())
    }

    /// The join state of this enrolment, to be moved on from now on.
    #[must_use]
    pub(crate) fn join_state(&self, enrolment: Enrolment) -> Arc<JoinState> {
        Arc::new(JoinState::new(self.dir.clone(), enrolment))
    }
}

impl Identity {
    /// Erases the enrolment, all keys, and the journal: this node is no more.
    ///
    /// The enrolment goes first: whatever is left by a crash in between is a node that was never
    /// enrolled.
    ///
    /// # Errors
    /// `Denied`: a file cannot be removed.
    pub(crate) fn erase(&self) -> Result<()> {
        for name in [ENROLMENT_FILE, KEY_FILE, NEXT_KEY_FILE, BUNDLE_FILE, JOURNAL_FILE] {
            let path = self.dir.join(name);
            // What a crash has left of a new one is erased too.
            for path in [path.with_extension("new"), path] {
                files::erase(&path).map_err(|error| cannot(&path, "erase", error))?;
            }
        }
        TlsKey::erase_all(&self.dir)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("dir", &self.dir)
            .field("enrolment", &self.enrolment)
            .finish_non_exhaustive()
    }
}

fn keep(dir: &Path, enrolment: &Enrolment) -> Result<()> {
    let path = dir.join(ENROLMENT_FILE);
    let text = serde_json::to_vec_pretty(enrolment)
        .expect("ids, texts, keys and certificates always have a JSON form");
    files::write_atomically(&path, &text).map_err(|error| cannot(&path, "write", error))
}

fn lock(dir: &Path) -> Result<Lock> {
    let path = dir.join(LOCK_FILE);
    let file = files::open_private(&path).map_err(|error| cannot(&path, "open", error))?;
    let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    rustix::fs::flock(&file, operation).map_err(|errno| {
        if errno == rustix::io::Errno::WOULDBLOCK {
            let message = format!("{} is in use by another node process", dir.display());
            return Error::new(ErrorKind::Conflict, OPERATION, message)
                .with_code("data_dir_in_use")
                .with_hint("stop that process, or give this node a data directory of its own");
        }
        cannot(&path, "lock", errno.into())
    })?;
    Ok(Lock(file))
}

/// Makes a key in a file that is not there yet: once this returns, it survives a crash.
fn make_key(path: &Path) -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| {
        let message = format!("the system gives no random bytes: {error}");
        Error::new(ErrorKind::Internal, OPERATION, message)
    })?;
    let text = Zeroizing::new(hex::encode(seed.as_slice()));
    files::create_private(path, text.as_bytes()).map_err(|error| cannot(path, "write", error))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Reads the key of a file; `None` where there is no such file.
fn read_key(path: &Path) -> Result<Option<SigningKey>> {
    let text = files::read_private(path).map_err(|error| cannot(path, "read", error))?;
    let Some(text) = text.map(Zeroizing::new) else { return Ok(None) };
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), seed.as_mut_slice())
        .map_err(|_| broken(path, "it is no key"))?;
    Ok(Some(SigningKey::from_bytes(&seed)))
}

fn read_enrolment(dir: &Path, text: &[u8]) -> Result<Enrolment> {
    serde_json::from_slice(text)
        .map_err(|error| broken(&dir.join(ENROLMENT_FILE), &error.to_string()))
}

/// The newest trust bundle in a data directory that may be in use.
///
/// # Errors
/// As [`Identity::open`].
pub(crate) fn look_up_bundle(dir: &Path) -> Result<Option<Arc<Bundle>>> {
    let path = dir.join(ENROLMENT_FILE);
    let text = files::read_private(&path).map_err(|error| cannot(&path, "read", error))?;
    let enrolment = text.map(|text| read_enrolment(dir, &text)).transpose()?;
    Ok(enrolment.map(|known| read_bundle(dir, &known)).transpose()?.flatten())
}

fn read_bundle(dir: &Path, enrolment: &Enrolment) -> Result<Option<Arc<Bundle>>> {
    let path = dir.join(BUNDLE_FILE);
    let kept = files::read_private(&path).map_err(|error| cannot(&path, "read", error))?;
    let (Some(kept), Some(anchor)) = (kept, &enrolment.trust_anchor) else { return Ok(None) };
    let (hub, node) = (enrolment.hub, enrolment.node);
    let expected = bundle::Expected { anchor, hub, node, held: None };
    let (signature, bundle) = kept.split_at(kept.len().min(SIGNATURE_LENGTH));
    bundle::verify(bundle, signature, &expected)
        .map(|bundle| Some(Arc::new(bundle)))
        .map_err(|refusal| broken(&path, &refusal.to_string()))
}

fn cannot(path: &Path, verb: &str, error: std::io::Error) -> Error {
    let message = format!("cannot {verb} {}: {error}", path.display());
    Error::new(ErrorKind::Denied, OPERATION, message)
        .with_code("data_dir_unusable")
        .with_hint("give the node a data directory that its user can write (node.data_dir)")
        .with_source(error)
}

fn broken(path: &Path, reason: &str) -> Error {
    let message = format!("{} cannot be understood: {reason}", path.display());
    Error::new(ErrorKind::Precondition, OPERATION, message)
        .with_code("data_dir_broken")
        .with_hint("put the file back from a backup, or enrol anew with an empty data directory")
}

/// A key that may be missing, as hex text.
mod anchor {
    use ed25519_dalek::VerifyingKey;
    use serde::Deserialize as _;
    use serde::Deserializer;
    use serde::Serialize as _;
    use serde::Serializer;
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(
        key: &Option<VerifyingKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        key.map(|key| hex::encode(key.as_bytes())).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<VerifyingKey>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::keys::parse(&text).map_err(D::Error::custom)).transpose()
    }
}

/// Keys as hex texts.
mod keys {
    use ed25519_dalek::VerifyingKey;
    use serde::Deserialize as _;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(
        keys: &[VerifyingKey],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(keys.iter().map(|key| hex::encode(key.as_bytes())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<VerifyingKey>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| parse(text).map_err(D::Error::custom)).collect()
    }

    pub(super) fn parse(text: &str) -> Result<VerifyingKey, String> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|error| error.to_string())?;
        VerifyingKey::from_bytes(&bytes).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
