//! The way in for the first admin: a token in the data directory, and a link that signs in once.

use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Role;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::registry::free_name;
use cortex_core::timestamp::Timestamp;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::Accounts;
use super::secret::Secret;
use super::sign_in::turn;
use crate::audit::Note;
use crate::clock;
use crate::store::accounts::ApiToken;
use crate::store::accounts::LoginCode;
use crate::store::accounts::User;

/// The file with the first admin's token, in the data directory.
const TOKEN_FILE: &str = "admin.token";
const NAME: &str = "admin";

/// How long a sign-in link is good.
const LINK_LIFE: Duration = Duration::from_secs(600);

impl Accounts {
    /// Makes sure that an admin can get in: where none can, makes the user `admin` if there is no
    /// admin at all, and a token with every scope in `<data_dir>/admin.token`, readable by its
    /// owner only. Returns that path if it wrote it.
    ///
    /// A file whose token is good stays as it is. To be called at each start: if the last one broke
    /// off in between, this one finishes it.
    ///
    /// # Errors
    /// `Unavailable`: the file cannot be written. Otherwise only errors of the store.
    pub async fn ensure_admin(&self, data_dir: &Path) -> Result<Option<PathBuf>> {
        let _turn = turn(&self.inner.turn).await?;
        let store = &self.inner.store;
        let (users, tokens, now) = (store.users().await?, store.tokens(None).await?, clock::now());
        if can_get_in(&users, &tokens, now) {
            return Ok(None);
        }
        let admin = match users.iter().find(|user| is_active_admin(user)) {
            Some(admin) => admin.clone(),
            None => {
                let is_taken =
                    |name: &str| users.iter().any(|user| user.name.eq_ignore_ascii_case(name));
                let admin = User {
                    id: UserId::generate(),
                    name: free_name(NAME, is_taken),
                    role: Role::Admin,
                    password_hash: None,
                    disabled: false,
                    created_at: now,
                };
                let note = Note::of(Actor::Hub, Action::UserCreate, Object::User(admin.id))
                    .owned_by(admin.id)
                    .detail(admin.name.clone());
                store.audit().record(note, store.create_user(admin.clone())).await?;
                admin
            }
        };
        let (id, secret) = (TokenId::generate(), Secret::generate()?);
        // The file first: if this breaks off before the token is stored, the next start sees that
        // nobody can get in and replaces it.
        let path = data_dir.join(TOKEN_FILE);
        write(path.clone(), secret.api_token(id)).await?;
        let token = ApiToken {
            id,
            owner: admin.id,
            name: "first admin".to_owned(),
            digest: secret.digest(),
            scopes: vec![Scope::Read, Scope::Exec, Scope::Manage],
            created_at: now,
            expires_at: None,
            last_used_at: None,
        };
        let note = Note::of(Actor::Hub, Action::TokenCreate, Object::Token(id))
            .owned_by(admin.id)
            .detail(token.name.clone());
        store.audit().record(note, store.add_token(token)).await?;
        Ok(Some(path))
    }

    /// A link to the web pages that signs an admin in, once, within ten minutes.
    ///
    /// Its code stands behind the `#`: browsers keep that to themselves, so it is in no log.
    ///
    /// # Errors
    /// `Precondition`: there is no admin who is not locked out. Otherwise those of the store.
    pub async fn sign_in_link(&self, public_url: &str) -> Result<SecretString> {
        let store = &self.inner.store;
        let users = store.users().await?;
        let admin = users.iter().filter(|user| is_active_admin(user));
        // The one that was made first: it belongs to whoever runs the hub.
        let admin = admin.min_by_key(|user| user.created_at).ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "make sign-in link", "there is no admin")
        })?;
        let (secret, now) = (Secret::generate()?, clock::now());
        let code =
            LoginCode { digest: secret.digest(), user: admin.id, expires_at: now + LINK_LIFE };
        store.add_code(code, now).await?;
        let base = public_url.trim_end_matches('/');
        Ok(format!("{base}/sign-in#code={}", secret.code().expose_secret()).into())
    }
}

fn is_active_admin(user: &User) -> bool {
    user.role == Role::Admin && !user.disabled
}

/// Whether some admin has a password, or a token with which to make everything else.
fn can_get_in(users: &[User], tokens: &[ApiToken], now: Timestamp) -> bool {
    users.iter().filter(|user| is_active_admin(user)).any(|admin| {
        let is_key = |token: &ApiToken| {
            token.owner == admin.id
                && token.scopes.contains(&Scope::Manage)
                && token.expires_at.is_none_or(|end| now < end)
        };
        admin.password_hash.is_some() || tokens.iter().any(is_key)
    })
}

async fn write(path: PathBuf, token: SecretString) -> Result<()> {
    let shown = path.display().to_string();
    let done = tokio::task::spawn_blocking(move || write_file(&path, token.expose_secret())).await;
    let done = done.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
    done.map_err(|error| {
        let message = format!("cannot write {shown}: {error}");
        Error::new(ErrorKind::Unavailable, "write admin token", message)
            .with_hint("the data directory must be writable by the hub's user")
            .with_source(error)
    })
}

/// Writes the file anew, for its owner only from its first byte on, and waits until it is on disk.
fn write_file(path: &Path, token: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(password: bool, disabled: bool) -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            name: "admin".into(),
            role: Role::Admin,
            password_hash: password.then(|| "hash".to_owned()),
            disabled,
            created_at: Timestamp::default(),
        }
    }

    fn token(scopes: &[Scope], expires_at: Option<i64>) -> ApiToken {
        ApiToken {
            id: TokenId::from_bytes([2; 16]),
            owner: UserId::from_bytes([1; 16]),
            name: "t".into(),
            digest: [0; 32],
            scopes: scopes.to_vec(),
            created_at: Timestamp::default(),
            expires_at: expires_at.map(Timestamp::from_millis),
            last_used_at: None,
        }
    }

    #[test]
    fn a_way_in_is_a_password_or_a_good_token_of_an_active_admin() {
        let now = Timestamp::from_millis(10);
        let can = |user: User, tokens: &[ApiToken]| can_get_in(&[user], tokens, now);
        assert!(!can_get_in(&[], &[], now));
        assert!(can(admin(true, false), &[]));
        assert!(!can(admin(true, true), &[]));
        assert!(!can(admin(false, false), &[]));
        assert!(can(admin(false, false), &[token(&[Scope::Manage], None)]));
        assert!(!can(admin(false, false), &[token(&[Scope::Manage], Some(10))]));
        assert!(!can(admin(false, false), &[token(&[Scope::Read], None)]));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_the_owners_alone_whatever_was_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOKEN_FILE);
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write_file(&path, "cxt1.x").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "cxt1.x\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
