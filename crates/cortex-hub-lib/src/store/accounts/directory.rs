//! Users and API tokens in memory; the writer keeps them as they were committed last.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;
use std::time::Duration;

use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

use super::token::ApiToken;
use super::user::User;
use super::user::name_key;

/// How long the stored time of a token's last use may lag behind.
const USE_LAG: Duration = Duration::from_secs(3600);

/// All users and API tokens.
#[derive(Debug)]
pub(super) struct Directory {
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    users: HashMap<UserId, User>,
    tokens: HashMap<TokenId, Known>,
}

#[derive(Debug)]
struct Known {
    token: ApiToken,
    /// The time of its last use that was handed to the database.
    stored_use: Option<Timestamp>,
}

impl Directory {
    pub(super) fn new(users: Vec<User>, tokens: Vec<ApiToken>) -> Self {
        let users = users.into_iter().map(|user| (user.id, user)).collect();
        let tokens = tokens.into_iter().map(|token| (token.id, Known::new(token))).collect();
        Self { state: RwLock::new(State { users, tokens }) }
    }

    pub(super) fn user(&self, id: UserId) -> Option<User> {
        self.read().users.get(&id).cloned()
    }

    pub(super) fn user_by_name(&self, name: &str) -> Option<User> {
        let key = name_key(name);
        self.read().users.values().find(|user| name_key(&user.name) == key).cloned()
    }

    pub(super) fn users(&self) -> Vec<User> {
        let mut users: Vec<_> = self.read().users.values().cloned().collect();
        users.sort_by_cached_key(|user| name_key(&user.name));
        users
    }

    pub(super) fn put_user(&self, user: &User) {
        self.write().users.insert(user.id, user.clone());
    }

    pub(super) fn token(&self, id: TokenId) -> Option<ApiToken> {
        self.read().tokens.get(&id).map(|known| known.token.clone())
    }

    pub(super) fn tokens(&self, owner: Option<UserId>) -> Vec<ApiToken> {
        let state = self.read();
        let tokens = state.tokens.values().map(|known| &known.token);
        let fits = |token: &&ApiToken| owner.is_none_or(|owner| token.owner == owner);
        let mut tokens: Vec<_> = tokens.filter(fits).cloned().collect();
        tokens.sort_by_key(|token| std::cmp::Reverse((token.created_at, token.id)));
        tokens
    }

    pub(super) fn put_token(&self, token: ApiToken) {
        self.write().tokens.insert(token.id, Known::new(token));
    }

    pub(super) fn remove_token(&self, id: TokenId) {
        self.write().tokens.remove(&id);
    }

    /// Records a use; says whether the database is to hear of it.
    pub(super) fn note_token_use(&self, id: TokenId, now: Timestamp) -> bool {
        let mut state = self.write();
        let Some(known) = state.tokens.get_mut(&id) else { return false };
        known.token.last_used_at = Some(now);
        let is_stale = known.stored_use.is_none_or(|stored| now.since(stored) >= USE_LAG);
        if is_stale {
            known.stored_use = Some(now);
        }
        is_stale
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Each change is one insertion, so even a panic leaves the state whole.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn new(token: ApiToken) -> Self {
        Self { stored_use: token.last_used_at, token }
    }
}
