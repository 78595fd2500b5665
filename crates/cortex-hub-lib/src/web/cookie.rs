//! The cookies of a web session: a short-lived access token, and the refresh token that renews it.
//!
//! No script can read them, and no other site's page can send them along.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header;
use cortex_core::id::HubId;

/// Names and attributes of a hub's cookies.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    access: String,
    refresh: String,
    is_secure: bool,
}

impl Cookies {
    /// The cookies of a hub that browsers reach at `public_url`.
    ///
    /// Over https their names begin with `__Host-`: browsers then take them from this very host
    /// only. The hub's id is in the names because hubs on one host share their cookies, whatever
    /// their ports.
    pub(crate) fn of(hub: HubId, public_url: &str) -> Self {
        let is_secure = public_url.starts_with("https://");
        let prefix = if is_secure { "__Host-" } else { "" };
        let id = hub.to_string();
        let tail = &id[id.len() - 8..];
        Self {
            access: format!("{prefix}cortex_access_{tail}"),
            refresh: format!("{prefix}cortex_refresh_{tail}"),
            is_secure,
        }
    }

    /// The access token that a browser sent.
    pub(crate) fn access<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.access)
    }

    /// The refresh token that a browser sent.
    pub(crate) fn refresh<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.refresh)
    }

    /// Sets both.
    pub(crate) fn set(
        &self,
        headers: &mut HeaderMap,
        (access, access_life): (&str, Duration),
        (refresh, refresh_life): (&str, Duration),
    ) {
        self.put(headers, &self.access, access, access_life);
        self.put(headers, &self.refresh, refresh, refresh_life);
    }

    /// Removes both.
    pub(crate) fn clear(&self, headers: &mut HeaderMap) {
        self.put(headers, &self.access, "", Duration::ZERO);
        self.put(headers, &self.refresh, "", Duration::ZERO);
    }

    fn put(&self, headers: &mut HeaderMap, name: &str, value: &str, life: Duration) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let seconds = life.as_secs();
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
        if let Ok(mut value) = HeaderValue::try_from(text) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
        }
    }
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: HubId = HubId::from_bytes([7; 16]);

    fn set_cookies(headers: &HeaderMap) -> Vec<String> {
        let values = headers.get_all(header::SET_COOKIE).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn over_https_the_cookies_belong_to_this_host_alone() {
        let cookies = Cookies::of(HUB, "https://ops.example.com/cortex");
        let mut headers = HeaderMap::new();
        let life = Duration::from_secs(600);
        cookies.set(&mut headers, ("a", life), ("r", life));
        for text in set_cookies(&headers) {
            assert!(text.starts_with("__Host-cortex_"), "{text}");
            assert!(text.contains("; Path=/; Max-Age=600; HttpOnly; SameSite=Strict; Secure"));
            assert!(!text.contains("Domain"));
        }
    }

    #[test]
    fn what_is_set_is_found_among_others_and_what_is_cleared_is_not() {
        let cookies = Cookies::of(HUB, "http://127.0.0.1:8080");
        let mut answer = HeaderMap::new();
        let life = Duration::from_secs(1);
        cookies.set(&mut answer, ("a.b", life), ("r", life));
        let pairs: Vec<_> = set_cookies(&answer)
            .iter()
            .map(|text| text.split(';').next().unwrap().to_owned())
            .collect();
        let mut request = HeaderMap::new();
        let text = format!("other=1; {}; {}", pairs[0], pairs[1]);
        request.insert(header::COOKIE, text.parse().unwrap());
        assert_eq!(cookies.access(&request), Some("a.b"));
        assert_eq!(cookies.refresh(&request), Some("r"));
        let other = Cookies::of(HubId::from_bytes([8; 16]), "http://127.0.0.1:8080");
        assert_eq!(other.access(&request), None);
        let mut cleared = HeaderMap::new();
        cookies.clear(&mut cleared);
        assert!(set_cookies(&cleared).iter().all(|text| text.contains("Max-Age=0")));
    }
}
