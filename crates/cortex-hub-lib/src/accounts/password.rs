//! Passwords: what may be one, how one is stored, how one is compared.

use std::sync::Arc;
use std::time::Duration;

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::PasswordHasher as _;
use argon2::PasswordVerifier as _;
use argon2::Version;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Hashes that are computed at once; more logins wait for each other.
const AT_ONCE: usize = 2;
/// A login that has waited this long for its turn is turned away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Fewest and most characters of a password.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// A hash of no password, with the parameters above. Unknown users are compared with it, so that
/// the time of an answer does not tell whether a name exists.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWhhcy10aGlz\
    $Zm9yIHRoZSB0aW1lIHRoYXQgaXQgdGFrZXMgdG8gc2E";

/// Computes and compares password hashes, a few at a time.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    /// How many comparisons were computed.
    #[cfg(test)]
    pub(super) compared: Arc<std::sync::atomic::AtomicUsize>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            #[cfg(test)]
            compared: Arc::default(),
        }
    }

    /// Hashes a new password with a fresh salt.
    ///
    /// # Errors
    /// `Invalid`: too short or too long. `Unavailable`: too many others wait.
    pub(super) async fn hash(&self, password: SecretString) -> Result<String> {
        check(&password)?;
        let turn = self.turn().await?;
        let work = move || {
            let hash = argon2()?.hash_password(password.expose_secret().as_bytes());
            drop(turn);
            hash.map(|hash| hash.to_string()).map_err(defect)
        };
        tokio::task::spawn_blocking(work).await.map_err(defect)?
    }

    /// Compares a password with a stored hash; without one it takes as long and says no.
    ///
    /// # Errors
    /// `Unavailable`: too many others wait.
    pub(super) async fn fits(&self, password: SecretString, hash: Option<String>) -> Result<bool> {
        // What no password can be needs no computing, whatever the user.
        if password.expose_secret().len() > 4 * LENGTH.end() {
            return Ok(false);
        }
        let turn = self.turn().await?;
        #[cfg(test)]
        self.compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let work = move || {
            let stored = hash.as_deref().unwrap_or(NOBODY);
            let verdict = argon2()?.verify_password(password.expose_secret().as_bytes(), stored);
            drop(turn);
            Ok(verdict.is_ok() && hash.is_some())
        };
        tokio::task::spawn_blocking(work).await.map_err(defect)?
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(turn) => turn.map_err(defect),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "check password",
                "too many people sign in at once",
            )
            .with_code("login_busy")
            .with_hint("try again in a few seconds")),
        }
    }
}

fn check(password: &SecretString) -> Result<()> {
    let length = password.expose_secret().chars().count();
    if LENGTH.contains(&length) {
        return Ok(());
    }
    let message = format!("a password has {} to {} characters", LENGTH.start(), LENGTH.end());
    Err(Error::new(ErrorKind::Invalid, "set password", message).with_code("password_length"))
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(defect)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn defect(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, "hash password", "the hash was not computed").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let fits = |word: &str, hash: Option<&str>| {
            passwords.fits(word.into(), hash.map(ToOwned::to_owned))
        };
        assert!(fits("correct horse", Some(&hash)).await.unwrap());
        assert!(!fits("correct mule", Some(&hash)).await.unwrap());
        assert!(!fits("correct horse", None).await.unwrap());
        assert!(!fits(&"x".repeat(4096), Some(&hash)).await.unwrap());
    }

    #[test]
    fn the_hash_for_nobody_takes_the_same_work() {
        let hash = argon2::password_hash::phc::PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&hash).unwrap();
        assert_eq!(params.m_cost(), MEMORY_KIB);
        assert_eq!((params.t_cost(), params.p_cost()), (PASSES, 1));
        assert_eq!(hash.hash.map(|hash| hash.len()), Some(32));
    }

    #[tokio::test]
    async fn the_length_is_counted_in_characters() {
        let passwords = Passwords::new();
        let short = passwords.hash("1234567".into()).await.unwrap_err();
        assert_eq!(short.code(), "password_length");
        assert!(check(&"ä".repeat(128).into()).is_ok());
        assert!(check(&"ä".repeat(129).into()).is_err());
    }
}
