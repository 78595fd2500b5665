//! Accounts over a real store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
use super::SignedIn;
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
    let accounts = Accounts::new(store.accounts(), tokens, outside);
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

async fn signed_in(accounts: &Accounts) -> SignedIn {
    let link = accounts.sign_in_link("http://h").await.unwrap();
    let code = link.expose_secret().split("#code=").nth(1).unwrap().to_owned();
    accounts.log_in(Proof::Code(code.into()), Client::default()).await.unwrap()
}

#[tokio::test]
async fn row_46_a_refresh_token_that_somebody_copied_ends_the_login() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), None).await;
    accounts.ensure_admin(folder.path()).await.unwrap();
    let mine = Client { address: None, agent: Some("mine") };
    let refresh = async |token: &SignedIn, client| {
        accounts.refresh(token.refresh_token.expose_secret(), client).await
    };
    // At once and from elsewhere; then later, by a token that is many generations old.
    for age in [0, 5] {
        let first = signed_in(&accounts).await;
        let mut newest = refresh(&first, mine).await.unwrap();
        for _ in 0..age {
            newest = refresh(&newest, mine).await.unwrap();
        }
        let thief = Client { address: Some([9, 9, 9, 9].into()), agent: Some("mine") };
        let reused = refresh(&first, thief).await.unwrap_err();
        assert_eq!(reused.code(), "refresh_reused");
        assert_eq!(refresh(&newest, mine).await.unwrap_err().code(), "refresh_invalid");
        let access = identify(&accounts, newest.access_token.expose_secret()).await;
        assert_eq!(access.unwrap_err().code(), "token_revoked");
    }
    // Also from the same client, when the moment of a lost answer is over.
    let first = signed_in(&accounts).await;
    refresh(&first, mine).await.unwrap();
    accounts.inner.rotations.forget();
    assert_eq!(refresh(&first, mine).await.unwrap_err().code(), "refresh_reused");
}

#[tokio::test]
async fn row_46_of_concurrent_refreshes_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), None).await;
    accounts.ensure_admin(folder.path()).await.unwrap();
    let first = signed_in(&accounts).await;
    let token = first.refresh_token.expose_secret();
    // One browser with many tabs: one token comes of it.
    let tabs = (0..16).map(|_| accounts.refresh(token, Client::default()));
    let tabs = futures::future::join_all(tabs).await;
    let tabs: Vec<_> = tabs.into_iter().map(|tab| tab.unwrap().refresh_token).collect();
    assert!(tabs.iter().all(|tab| tab.expose_secret() == tabs[0].expose_secret()));
    // Many machines with one token: the first gets on, for the moment until the second comes.
    let token = tabs[0].expose_secret();
    let machines = (0..16u8).map(|n| {
        let client = Client { address: Some([10, 0, 0, n].into()), agent: None };
        accounts.refresh(token, client)
    });
    let machines = futures::future::join_all(machines).await;
    let (won, lost): (Vec<_>, Vec<_>) = machines.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let codes: Vec<_> = lost.into_iter().map(|lost| lost.unwrap_err().code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "refresh_reused").count(), 1, "{codes:?}");
    let winner = won.into_iter().next().unwrap().unwrap();
    let after = accounts.refresh(winner.refresh_token.expose_secret(), Client::default()).await;
    assert_eq!(after.unwrap_err().code(), "refresh_invalid");
}

#[tokio::test]
async fn row_49_an_unknown_name_costs_as_much_as_a_wrong_password() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, accounts) = open(folder.path(), None).await;
    accounts.ensure_admin(folder.path()).await.unwrap();
    let link = signed_in(&accounts).await;
    let admin = Principal::full(link.user.id, link.user.role);
    let edit = UserEdit { password: Some("correct horse".into()), ..UserEdit::default() };
    accounts.change_user(&admin, "admin", edit).await.unwrap();
    let compared = &accounts.inner.passwords.compared;
    let mut refusals = Vec::new();
    for name in ["admin", "nobody", "", &"x".repeat(500)] {
        let before = compared.load(Ordering::Relaxed);
        let proof = Proof::Password { name: name.to_owned(), password: "wrong horse".into() };
        let refused = accounts.log_in(proof, Client::default()).await.unwrap_err();
        // The hash for nobody has the parameters of a real one: see `password`.
        assert_eq!(compared.load(Ordering::Relaxed) - before, 1, "{name}");
        refusals.push((refused.code(), refused.to_string()));
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
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
