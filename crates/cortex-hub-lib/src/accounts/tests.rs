//! Accounts over a real store.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::account::Scope;
use cortex_core::id::UserId;
use http::HeaderMap;
use secrecy::ExposeSecret as _;

use super::Accounts;
use super::Authenticator;
use super::Client;
use super::Credential;
use super::Credentials;
use super::Proof;
use super::UserEdit;
use crate::clock;
use crate::store::Store;
use crate::trust::Trust;

/// Knows one person, by a header of its own.
#[derive(Debug)]
struct Badge;

#[async_trait]
impl Authenticator for Badge {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Principal> {
        match credentials.headers.get("x-badge") {
            Some(badge) if badge == "7" => {
                Ok(Principal::full(UserId::from_bytes([7; 16]), Role::Member))
            }
            _ => Err(Error::new(ErrorKind::Unauthenticated, "read badge", "no badge")
                .with_code("no_badge")),
        }
    }
}

async fn open(folder: &Path, outside: Option<Arc<dyn Authenticator>>) -> (Store, Accounts) {
    let store = Store::open(folder).await.unwrap();
    let trust = Trust::open(folder, &[], clock::now()).unwrap();
    let tokens = Arc::clone(trust.tokens());
    let accounts = Accounts::with_authenticator(store.accounts(), tokens, outside);
    (store, accounts)
}

async fn identify(accounts: &Accounts, bearer: &str) -> Result<Arc<super::Identity>> {
    let headers = HeaderMap::new();
    let credentials = Credentials { bearer: Some(bearer), headers: &headers, address: None };
    accounts.identify(&credentials).await
}

#[tokio::test]
async fn the_first_start_makes_a_way_in_and_later_ones_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, accounts) = open(folder.path(), None).await;
    let path = accounts.ensure_admin(folder.path()).await.unwrap().unwrap();
    let token = std::fs::read_to_string(&path).unwrap();
    let identity = identify(&accounts, token.trim()).await.unwrap();
    assert_eq!(identity.principal.role, Role::Admin);
    assert_eq!(identity.principal.scopes, [Scope::Read, Scope::Exec, Scope::Manage]);
    assert_eq!(accounts.ensure_admin(folder.path()).await.unwrap(), None);
    store.close().await.unwrap();
    drop((store, accounts));
    let (_store, accounts) = open(folder.path(), None).await;
    assert_eq!(accounts.ensure_admin(folder.path()).await.unwrap(), None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), token);
    assert!(identify(&accounts, token.trim()).await.is_ok());
    let Credential::Token(id) = identity.credential else { panic!("no token") };
    accounts.revoke_token(&identity.principal, id).await.unwrap();
    assert_eq!(identify(&accounts, token.trim()).await.unwrap_err().code(), "token_invalid");
    // Nobody can get in: whoever owns the directory gets a new token, the user stays.
    assert_eq!(accounts.ensure_admin(folder.path()).await.unwrap(), Some(path.clone()));
    let token = std::fs::read_to_string(&path).unwrap();
    let again = identify(&accounts, token.trim()).await.unwrap();
    assert_eq!(again.principal.user, identity.principal.user);
}

#[tokio::test]
async fn a_refresh_token_that_somebody_copied_ends_the_login() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), None).await;
    accounts.ensure_admin(folder.path()).await.unwrap();
    let link = accounts.sign_in_link("http://h").await.unwrap();
    let code = link.expose_secret().split("#code=").nth(1).unwrap().to_owned();
    let first = accounts.log_in(Proof::Code(code.into()), Client::default()).await.unwrap();
    let second = accounts.refresh(first.refresh_token.expose_secret()).await.unwrap();
    // The moment in which a repeat is taken for a lost answer is over.
    accounts.inner.rotations.forget();
    let reused = accounts.refresh(first.refresh_token.expose_secret()).await.unwrap_err();
    assert_eq!(reused.code(), "refresh_reused");
    let newest = accounts.refresh(second.refresh_token.expose_secret()).await.unwrap_err();
    assert_eq!(newest.code(), "refresh_invalid");
    let access = identify(&accounts, second.access_token.expose_secret()).await.unwrap_err();
    assert_eq!(access.code(), "token_revoked");
}

#[tokio::test]
async fn an_unwritable_folder_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), None).await;
    let missing = folder.path().join("missing");
    let error = accounts.ensure_admin(&missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("admin.token"), "{error}");
    assert!(accounts.ensure_admin(folder.path()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_embedders_users_are_asked_for_what_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), Some(Arc::new(Badge))).await;
    let mut headers = HeaderMap::new();
    let ask = async |headers: &HeaderMap, bearer| {
        let credentials = Credentials { bearer, headers, address: None };
        accounts.identify(&credentials).await
    };
    assert_eq!(ask(&headers, None).await.unwrap_err().code(), "no_badge");
    headers.insert("x-badge", "7".parse().unwrap());
    let theirs = ask(&headers, None).await.unwrap();
    assert_eq!(theirs.credential, Credential::External);
    assert_eq!(accounts.user_of(&theirs.principal).await.unwrap().id, theirs.principal.user);
    assert!(ask(&headers, Some("something of theirs")).await.is_ok());
    let wrong = "cxt1.tok_00000000000000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(ask(&headers, Some(wrong)).await.unwrap_err().code(), "token_invalid");
    let path = accounts.ensure_admin(folder.path()).await.unwrap().unwrap();
    let token = std::fs::read_to_string(path).unwrap();
    let ours = ask(&headers, Some(token.trim())).await.unwrap();
    assert_eq!(ours.principal.role, Role::Admin);
}

#[tokio::test]
async fn a_remembered_credential_is_forgotten_with_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), None).await;
    let path = accounts.ensure_admin(folder.path()).await.unwrap().unwrap();
    let token = std::fs::read_to_string(path).unwrap();
    let first = identify(&accounts, token.trim()).await.unwrap();
    let second = identify(&accounts, token.trim()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let edit = UserEdit { password: Some("correct horse".into()), ..UserEdit::default() };
    accounts.change_user(&first.principal, "admin", edit).await.unwrap();
    let third = identify(&accounts, token.trim()).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &third));
    assert_eq!(first, third);
}

#[test]
fn the_trait_is_dyn_compatible() {
    fn _takes(_: &dyn Authenticator) {}
}
