//! Rows of users, their tokens and their sign-ins.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::LoginInfo;
use cortex_proto::json::TokenInfo;
use cortex_proto::json::UserInfo;

use crate::output::span;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

impl Row for UserInfo {
    const TITLES: &'static [&'static str] = &["NAME", "ROLE", "STATUS", "ID"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.name),
            Cell::plain(&self.role),
            user_status(self),
            Cell::plain(&self.id),
        ]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Name", Cell::plain(&self.name)),
            ("Id", Cell::plain(&self.id)),
            ("Role", Cell::plain(&self.role)),
            ("Status", user_status(self)),
            ("Created", Cell::plain(&self.created_at)),
        ]
    }

    fn key(&self) -> &str {
        &self.name
    }
}

fn user_status(user: &UserInfo) -> Cell {
    match user.disabled {
        true => Cell::new("disabled", Tone::Bad),
        false => Cell::new("active", Tone::Good),
    }
}

impl Row for TokenInfo {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "SCOPES", "CREATED", "EXPIRES"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.id),
            Cell::plain(&self.name),
            Cell::plain(self.scopes.join(",")),
            Cell::plain(span::ago(Some(&self.created_at), now)),
            token_expiry(self, now),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Id", Cell::plain(&self.id)),
            ("Name", Cell::plain(&self.name)),
            ("Owner", Cell::plain(&self.owner)),
            ("Scopes", Cell::plain(self.scopes.join(","))),
            ("Created", Cell::plain(&self.created_at)),
            ("Expires", token_expiry(self, now)),
        ]
    }

    fn key(&self) -> &str {
        &self.id
    }
}

fn token_expiry(token: &TokenInfo, now: Timestamp) -> Cell {
    match &token.expires_at {
        Some(at) => Cell::plain(span::until(Some(at), now)),
        None => Cell::plain("never"),
    }
}

impl Row for LoginInfo {
    const TITLES: &'static [&'static str] = &["ID", "PROGRAM", "SIGNED IN", "LAST USED", "EXPIRES"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.id),
            Cell::maybe(self.user_agent.as_ref()),
            Cell::plain(span::ago(Some(&self.created_at), now)),
            last_used(self, now),
            Cell::plain(span::until(Some(&self.expires_at), now)),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Id", Cell::plain(&self.id)),
            ("Program", Cell::maybe(self.user_agent.as_ref())),
            ("Signed in", Cell::plain(&self.created_at)),
            ("Last used", last_used(self, now)),
            ("Expires", Cell::plain(span::until(Some(&self.expires_at), now))),
        ]
    }

    fn key(&self) -> &str {
        &self.id
    }
}

fn last_used(login: &LoginInfo, now: Timestamp) -> Cell {
    match login.current {
        true => Cell::new("now, this one", Tone::Good),
        false => Cell::plain(span::ago(Some(&login.refreshed_at), now)),
    }
}
