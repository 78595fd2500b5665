//! Where a hub is, and the paths below it.

use std::fmt;

use http::Uri;

use crate::exit::Failure;
use crate::exit::Result;

/// A hub's base URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whether the connection is encrypted.
    pub(crate) is_tls: bool,
    /// Host name or IP address, without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// What stands between the host and the API's own paths: empty, or `/cortex`.
    prefix: String,
    /// Host and port as the `Host` header says them.
    authority: String,
}

impl Address {
    /// Parses a base URL.
    ///
    /// # Errors
    /// A usage failure that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Failure::usage(format!("\"{text}\" is no URL of a hub: {why}"))
                .or_hint("write it as http://HOST:PORT or https://HOST")
        };
        let uri: Uri = text.trim().parse().map_err(|_| refuse("it cannot be parsed"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refuse("it begins neither with http:// nor with https://")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("it must not hold a name or password"));
        }
        if text.contains('#') {
            return Err(refuse("it must not have a part behind #"));
        }
        if uri.query().is_some() {
            return Err(refuse("it must not have a query"));
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(refuse("it names no host"));
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        Ok(Self {
            is_tls,
            host: bare.unwrap_or(host).to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authority: authority.as_str().to_owned(),
        })
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The path and query of a request.
    pub(crate) fn target_of(&self, route: &Route) -> String {
        format!("{}{}", self.prefix, route.text)
    }

    /// Whether only this machine is on the other end.
    pub(crate) fn is_loopback(&self) -> bool {
        let ip = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

/// A path of the API with its query, escaped as it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    text: String,
    has_query: bool,
}

impl Route {
    /// Begins with `path`, which is taken as it is, e.g. `/api/nodes`.
    pub(crate) fn new(path: &'static str) -> Self {
        Self { text: path.to_owned(), has_query: false }
    }

    /// Appends a segment, whatever characters it has.
    #[must_use]
    pub(crate) fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        // Proxies take a plain segment of dots for a way up.
        match segment {
            "." | ".." => self.text.push_str(&segment.replace('.', "%252E")),
            _ => escape(segment, &mut self.text),
        }
        self
    }

    /// Appends a query parameter.
    #[must_use]
    pub(crate) fn query(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(key);
        self.text.push('=');
        escape(&value.to_string(), &mut self.text);
        self
    }

    /// Appends a query parameter if there is a value for it.
    #[must_use]
    pub(crate) fn maybe(self, key: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn escape(text: &str, out: &mut String) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_base_url_keeps_its_prefix() {
        let address = Address::parse("https://ops.example.com/cortex/").unwrap();
        assert!(address.is_tls);
        assert_eq!((address.host.as_str(), address.port), ("ops.example.com", 443));
        assert_eq!(address.target_of(&Route::new("/api/nodes")), "/cortex/api/nodes");
        assert_eq!(address.to_string(), "https://ops.example.com/cortex");
        let address = Address::parse("http://[::1]:8080").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 8080));
        assert_eq!(address.authority(), "[::1]:8080");
        assert!(address.is_loopback());
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for text in [
            "",
            "hub",
            "hub:8080",
            "ftp://hub",
            "http://",
            "http://a@hub",
            "http://h/?a=b",
            "http://h/#a",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn routes_escape_what_they_are_given() {
        let route = Route::new("/api/nodes")
            .segment("a/b ?")
            .segment("status")
            .query("labels", "role=build,zone=b")
            .maybe("cursor", None::<&str>)
            .query("limit", 5);
        assert_eq!(
            route.text,
            "/api/nodes/a%2Fb%20%3F/status?labels=role%3Dbuild%2Czone%3Db&limit=5"
        );
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment(text in ".{0,20}") {
            let route = Route::new("/api").segment(&text).text;
            let inner = &route["/api/".len()..];
            prop_assert!(!inner.contains(['/', '?', '#', ' ']));
            prop_assert!(inner != "." && inner != "..");
            prop_assert!(route.parse::<Uri>().is_ok());
        }
    }
}
