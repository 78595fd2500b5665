//! Seals what tasks are given in confidence, so that a leaked database holds none of it.
//!
//! AES-256-GCM with a random nonce, under a key that is derived from one of the hub's trust
//! directory; a seal belongs to one task and opens for no other.

use std::fmt;

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::RandomizedNonceKey;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::TaskId;
use cortex_core::task::SealedSecrets;
use cortex_core::task::Secrets;
use zeroize::Zeroizing;

use super::Vault;
use super::master::Master;

const DOMAIN: &[u8] = b"cortex/task-secrets/v1\0";

/// Seals and opens the secrets of tasks.
pub struct Sealer {
    key: RandomizedNonceKey,
}

impl Sealer {
    /// Takes the vault's key.
    ///
    /// # Errors
    /// `Internal`: the key cannot be used.
    pub fn new(vault: &Vault) -> Result<Self> {
        let master = Master::from_bytes(Zeroizing::new(vault.token_key.to_bytes()));
        let key = RandomizedNonceKey::new(&AES_256_GCM, &master.derive(&[DOMAIN])[..]);
        Ok(Self { key: key.map_err(|_| failed("make sealing key"))? })
    }

    /// Seals a task's secrets.
    ///
    /// # Errors
    /// `Internal`: the system gives no random bytes.
    pub fn seal(&self, task: TaskId, secrets: &Secrets) -> Result<SealedSecrets> {
        let pairs: Vec<(&str, &str)> = secrets.iter().collect();
        // Room for all of it at once: growing would leave copies in freed memory.
        let room = pairs.iter().map(|(name, value)| 6 * (name.len() + value.len()) + 16).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *text, &pairs).map_err(|_| failed("seal secrets"))?;
        let mut sealed = text.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(task.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| failed("seal secrets"))?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(SealedSecrets(sealed.into()))
    }

    /// Opens what [`Self::seal`] made for the same task.
    ///
    /// # Errors
    /// `Internal`: it was sealed for another task, by another hub, or is damaged.
    pub fn open(&self, task: TaskId, sealed: &SealedSecrets) -> Result<Secrets> {
        const OPERATION: &str = "open secrets";
        let (text, nonce) =
            sealed.0.split_last_chunk::<NONCE_LEN>().ok_or_else(|| failed(OPERATION))?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.key.open_in_place(nonce, Aad::from(task.as_bytes()), &mut text);
        let text = text.map_err(|_| failed(OPERATION))?;
        let pairs: Vec<(String, Zeroizing<String>)> =
            serde_json::from_slice::<Vec<(String, String)>>(text)
                .map_err(|_| failed(OPERATION))?
                .into_iter()
                .map(|(name, value)| (name, Zeroizing::new(value)))
                .collect();
        Secrets::new(pairs).map_err(|_| failed(OPERATION))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

fn failed(operation: &'static str) -> Error {
    Error::new(Kind::Internal, operation, "the task's secrets cannot be sealed or opened")
        .with_code("secrets_sealed")
}

#[cfg(test)]
mod tests {
    use cortex_core::timestamp::Timestamp;

    use super::*;

    fn secrets() -> Secrets {
        let value = Zeroizing::new("correct \"horse\"\n".to_owned());
        Secrets::new([("KEY".to_owned(), value)]).unwrap()
    }

    #[test]
    fn what_is_sealed_for_a_task_opens_for_it_alone() {
        let now = Timestamp::from_millis(1_760_000_000_000);
        let sealer = Sealer::new(&Vault::sample(now)).unwrap();
        let (task, other) = (TaskId::from_bytes([1; 16]), TaskId::from_bytes([2; 16]));
        let sealed = sealer.seal(task, &secrets()).unwrap();
        assert_eq!(sealer.open(task, &sealed).unwrap(), secrets());
        assert!(sealer.open(other, &sealed).is_err());
        assert_ne!(sealer.seal(task, &secrets()).unwrap(), sealed);
        for at in 0..sealed.0.len() {
            let mut changed = sealed.0.to_vec();
            changed[at] ^= 1;
            assert!(sealer.open(task, &SealedSecrets(changed.into())).is_err(), "byte {at}");
        }
        assert!(sealer.open(task, &SealedSecrets(sealed.0.slice(..5))).is_err());
        assert!(!sealed.0.windows(5).any(|part| part == b"horse"));
    }
}
