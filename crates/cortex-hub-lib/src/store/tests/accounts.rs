//! Users, their credentials and settings.

use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::account::Role;
use cortex_core::account::Scope;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use futures::future::join_all;

use super::NOW;
use super::directory;
use super::open;
use crate::store::accounts::ApiToken;
use crate::store::accounts::Login;
use crate::store::accounts::LoginCode;
use crate::store::accounts::RefreshDigest;
use crate::store::accounts::Rotation;
use crate::store::accounts::User;
use crate::store::accounts::UserChange;

const ANNA: UserId = UserId::from_bytes([1; 16]);

fn user(number: u8, name: &str) -> User {
    User {
        id: UserId::from_bytes([number; 16]),
        name: name.into(),
        role: Role::Member,
        password_hash: Some("$argon2id$…".into()),
        disabled: false,
        created_at: NOW,
    }
}

fn token(number: u8) -> ApiToken {
    ApiToken {
        id: TokenId::from_bytes([number; 16]),
        owner: ANNA,
        name: "ci".into(),
        digest: [number; 32],
        scopes: vec![Scope::Read, Scope::Exec],
        created_at: NOW + Duration::from_secs(number.into()),
        expires_at: Some(NOW + Duration::from_secs(60)),
        last_used_at: None,
    }
}

fn refresh(root: u8, whole: u8) -> RefreshDigest {
    RefreshDigest { whole: [whole; 32], root: [root; 32] }
}

fn login(number: u8) -> Login {
    Login {
        family: TokenId::from_bytes([number; 16]),
        user: ANNA,
        refresh: refresh(number, 1),
        created_at: NOW,
        refreshed_at: NOW,
        expires_at: NOW + Duration::from_secs(60),
        user_agent: Some("browser".into()),
    }
}

#[tokio::test]
async fn users_are_unique_by_name_in_every_case_and_survive() {
    let directory = directory();
    let store = open(&directory).await;
    let accounts = store.accounts();
    accounts.create_user(user(1, "Änna")).await.unwrap();
    accounts.create_user(user(2, "bert")).await.unwrap();
    for taken in [user(3, "äNNA"), user(1, "carl")] {
        let refusal = accounts.create_user(taken).await.unwrap_err();
        assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::Exists, "user_exists"));
    }
    let rename = |name: &str| UserChange { name: Some(name.into()), ..UserChange::default() };
    let refusal = accounts.update_user(ANNA, rename("Bert")).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Exists);
    let renamed = accounts.update_user(ANNA, rename("ÄNNA")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.password_hash.is_some()), ("ÄNNA", true));
    let change = UserChange {
        role: Some(Role::Admin),
        password_hash: Some(None),
        disabled: Some(true),
        ..UserChange::default()
    };
    accounts.update_user(ANNA, change).await.unwrap();
    let stranger = accounts.update_user(UserId::from_bytes([9; 16]), rename("x")).await;
    assert_eq!(stranger.unwrap_err().code(), "user_not_found");
    let before = accounts.users().await.unwrap();
    drop((accounts, store));

    let accounts = open(&directory).await.accounts();
    assert_eq!(accounts.users().await.unwrap(), before);
    let anna = accounts.user_by_name("änna").await.unwrap().unwrap();
    assert_eq!(accounts.user(ANNA).await.unwrap(), Some(anna.clone()));
    assert_eq!((anna.role, anna.disabled, anna.password_hash), (Role::Admin, true, None));
    assert_eq!(accounts.user_by_name("carl").await.unwrap(), None);
}

#[test]
fn a_password_hash_is_not_printed() {
    let user = user(1, "anna");
    let hash = Some(user.password_hash.clone());
    let change = UserChange { password_hash: hash, ..UserChange::default() };
    let printed = format!("{user:?} {change:?}");
    assert!(printed.contains("anna") && !printed.contains("argon2"), "{printed}");
}

#[tokio::test]
async fn a_revoked_token_is_gone_for_good() {
    let directory = directory();
    let store = open(&directory).await;
    let accounts = store.accounts();
    let orphan = accounts.add_token(token(1)).await.unwrap_err();
    assert_eq!((orphan.kind(), orphan.code()), (ErrorKind::NotFound, "user_not_found"));
    accounts.create_user(user(1, "anna")).await.unwrap();
    accounts.add_token(token(1)).await.unwrap();
    accounts.add_token(token(2)).await.unwrap();
    assert_eq!(accounts.add_token(token(2)).await.unwrap_err().code(), "token_exists");
    assert_eq!(accounts.tokens(Some(ANNA)).await.unwrap(), [token(2), token(1)]);
    assert_eq!(accounts.tokens(Some(UserId::from_bytes([2; 16]))).await.unwrap(), []);
    accounts.revoke_token(token(1).id).await.unwrap();
    assert_eq!(accounts.revoke_token(token(1).id).await.unwrap_err().code(), "token_not_found");
    let used = NOW + Duration::from_secs(5);
    accounts.note_token_use(token(2).id, used);
    store.close().await.unwrap();
    drop((accounts, store));

    let accounts = open(&directory).await.accounts();
    assert_eq!(accounts.token_by_id(token(1).id).await.unwrap(), None);
    let kept = accounts.token_by_id(token(2).id).await.unwrap();
    assert_eq!(kept, Some(ApiToken { last_used_at: Some(used), ..token(2) }));
}

#[tokio::test]
async fn the_use_of_a_token_is_stored_once_an_hour() {
    let directory = directory();
    let store = open(&directory).await;
    let accounts = store.accounts();
    accounts.create_user(user(1, "anna")).await.unwrap();
    accounts.add_token(token(1)).await.unwrap();
    store.ping().await.unwrap();
    let before = store.commits();
    for minute in 0..119 {
        let now = NOW + Duration::from_secs(60 * minute);
        accounts.note_token_use(token(1).id, now);
        let known = accounts.token_by_id(token(1).id).await.unwrap().unwrap();
        assert_eq!(known.last_used_at, Some(now));
    }
    store.ping().await.unwrap();
    // The two uses may share a commit with each other or with the ping.
    assert!((1..=3).contains(&(store.commits() - before)));
}

#[tokio::test]
async fn row_46_a_copied_refresh_token_ends_its_login() {
    let directory = directory();
    let accounts = open(&directory).await.accounts();
    accounts.create_user(user(1, "anna")).await.unwrap();
    accounts.add_login(login(1)).await.unwrap();
    accounts.add_login(login(2)).await.unwrap();
    assert_eq!(accounts.add_login(login(2)).await.unwrap_err().code(), "login_exists");
    let rotate = async |root, presented, next| {
        let (family, next) = (TokenId::from_bytes([1; 16]), refresh(root, next));
        accounts.rotate_login(family, refresh(root, presented), next, NOW).await.unwrap()
    };
    assert_eq!(rotate(8, 8, 2).await, Rotation::Unknown);
    let rotated = rotate(1, 1, 2).await;
    assert!(matches!(rotated, Rotation::Rotated(now) if now.refresh == refresh(1, 2)));
    assert!(matches!(rotate(1, 2, 3).await, Rotation::Rotated(_)));
    // Even the oldest one is known.
    assert!(matches!(rotate(1, 1, 4).await, Rotation::Reused(_)));
    assert_eq!(rotate(1, 3, 4).await, Rotation::Unknown);
    assert_eq!(accounts.login(login(1).family).await.unwrap(), None);
    assert_eq!(accounts.login(login(2).family).await.unwrap(), Some(login(2)));
    accounts.end_login(login(2).family).await.unwrap();
    accounts.end_login(login(2).family).await.unwrap();
    accounts.add_login(login(3)).await.unwrap();
    accounts.add_login(login(4)).await.unwrap();
    assert_eq!(accounts.end_logins(ANNA).await.unwrap(), 2);
}

#[tokio::test]
async fn logins_are_listed_forgotten_when_expired_and_bounded() {
    let directory = directory();
    let accounts = open(&directory).await.accounts();
    accounts.create_user(user(1, "anna")).await.unwrap();
    let later = |number: u8| {
        let at = NOW + Duration::from_secs(number.into());
        Login {
            created_at: at,
            refreshed_at: at,
            expires_at: at + Duration::from_secs(200),
            ..login(number)
        }
    };
    for number in 1..=120 {
        accounts.add_login(later(number)).await.unwrap();
    }
    let now = NOW + Duration::from_secs(120);
    let listed = accounts.logins(ANNA, now).await.unwrap();
    assert_eq!(listed, (21..=120).rev().map(later).collect::<Vec<_>>());
    assert_eq!(accounts.logins(UserId::from_bytes([2; 16]), now).await.unwrap(), []);
    let fresh = Login { created_at: NOW + Duration::from_secs(900), ..later(200) };
    accounts.add_login(fresh).await.unwrap();
    assert_eq!(accounts.login(later(120).family).await.unwrap(), None);
}

#[tokio::test]
async fn a_code_is_used_once_and_in_time() {
    let directory = directory();
    let accounts = open(&directory).await.accounts();
    accounts.create_user(user(1, "anna")).await.unwrap();
    let code = |digest| LoginCode {
        digest: [digest; 32],
        user: ANNA,
        expires_at: NOW + Duration::from_secs(60),
    };
    accounts.add_code(code(1), NOW).await.unwrap();
    accounts.add_code(code(2), NOW).await.unwrap();
    assert_eq!(accounts.add_code(code(2), NOW).await.unwrap_err().code(), "code_exists");
    let uses = join_all((0..20).map(|_| accounts.use_code([1; 32], NOW))).await;
    let winners = uses.into_iter().filter(|used| *used.as_ref().unwrap() == Some(ANNA)).count();
    assert_eq!(winners, 1);
    let late = NOW + Duration::from_secs(60);
    assert_eq!(accounts.use_code([2; 32], late).await.unwrap(), None);
    assert_eq!(accounts.use_code([3; 32], NOW).await.unwrap(), None);
}

#[tokio::test]
async fn a_setting_stays_as_it_was_first() {
    let directory = directory();
    let store = open(&directory).await;
    let accounts = store.accounts();
    assert_eq!(accounts.get_setting("hub").await.unwrap(), None);
    assert_eq!(accounts.put_setting_if_absent("hub", vec![1]).await.unwrap(), [1]);
    drop((accounts, store));
    let accounts = open(&directory).await.accounts();
    assert_eq!(accounts.put_setting_if_absent("hub", vec![2]).await.unwrap(), [1]);
    assert_eq!(accounts.get_setting("hub").await.unwrap(), Some(vec![1]));
}
