//! Where a request comes from: which host it names, which page sent it, which address it has.

use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::Extensions;
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::header;

use crate::config::HubConfig;

/// The hosts that this hub answers to, and the proxies that it believes.
#[derive(Debug)]
pub(super) struct Origins {
    hosts: HashSet<String>,
    public: Option<String>,
    proxies: Vec<IpAddr>,
}

impl Origins {
    /// What the configuration says.
    pub(super) fn of(config: &HubConfig) -> Self {
        let public: Option<Uri> = config.public_url.parse().ok();
        let public_host = public.as_ref().and_then(Uri::host).map(lower);
        let hosts = config.allowed_hosts.iter().map(|host| lower(name_of(host)));
        Self {
            hosts: hosts.chain(public_host).collect(),
            public: public.as_ref().and_then(origin_of),
            proxies: config.trusted_proxies.clone(),
        }
    }

    /// Whether the host that a request names is this hub's.
    ///
    /// A page elsewhere can let its own name point at this machine (DNS rebinding) and then read
    /// what the hub answers. It needs a name for that: addresses are always good, and so is
    /// `localhost`, which nobody else can own. Programs that name no host are no browsers.
    pub(super) fn is_ours(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let Some(authority) = authority(headers, uri) else {
            return !headers.contains_key(header::HOST);
        };
        let name = lower(name_of(authority));
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.contains(name.trim_end_matches('.'))
    }

    /// Whether a request that a browser sends with its cookies comes from the hub's own pages.
    ///
    /// `Sec-Fetch-Site` and `Origin` are written by browsers and by nobody else's script. A
    /// request with neither is none of a browser.
    pub(super) fn page(&self, headers: &HeaderMap, uri: &Uri) -> Page {
        let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
        match site {
            Some(b"same-origin" | b"none") => return Page::Own,
            Some(_) => return Page::Foreign,
            None => {}
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Page::Unknown;
        };
        let origin = origin.to_str().ok().and_then(|text| text.parse().ok());
        let Some(origin) = origin.as_ref().and_then(origin_of) else {
            return Page::Foreign;
        };
        let host = authority(headers, uri).map(lower);
        // The scheme that the browser saw is not known here when a proxy ends TLS.
        let is_host = host.is_some_and(|host| {
            ["http", "https"].iter().any(|scheme| {
                let ours = format!("{scheme}://{host}").parse().ok();
                ours.as_ref().and_then(origin_of).as_ref() == Some(&origin)
            })
        });
        if is_host || self.public.as_ref() == Some(&origin) { Page::Own } else { Page::Foreign }
    }

    /// The client's address: the connection's, or what a trusted proxy says of it.
    pub(super) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let forwarded = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        Some(self.walk(peer.ip(), forwarded.collect()))
    }

    /// Walks from the connection's address outwards, as long as a trusted proxy vouches for the
    /// next one. What a client itself wrote stands to the left of all that and is not reached.
    fn walk(&self, peer: IpAddr, mut forwarded: Vec<&str>) -> IpAddr {
        let mut address = peer.to_canonical();
        while self.proxies.contains(&address) {
            let next = forwarded.pop().and_then(|text| text.trim().parse::<IpAddr>().ok());
            match next {
                Some(next) => address = next.to_canonical(),
                None => break,
            }
        }
        address
    }
}

/// Which page sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// One of the hub's own, or the person at the address bar.
    Own,
    /// Somebody else's.
    Foreign,
    /// None: no browser says so.
    Unknown,
}

fn authority<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST)?.to_str().ok(),
    }
}

/// A host without its port.
fn name_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        let end = authority.find(']').map_or(authority.len(), |at| at + 1);
        return &authority[..end];
    }
    authority.split(':').next().unwrap_or_default()
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Scheme, host and port, in one form.
fn origin_of(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str()?;
    let default = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(default);
    Some(format!("{scheme}://{}:{port}", lower(uri.host()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let proxies = ["10.0.0.1", "10.0.0.2"];
        Origins::of(&HubConfig {
            public_url: "https://Ops.example.com/cortex".into(),
            allowed_hosts: vec!["hub.internal:8080".into()],
            trusted_proxies: proxies.map(|proxy| proxy.parse().unwrap()).to_vec(),
            ..HubConfig::default()
        })
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_foreign_name_that_points_here_is_refused() {
        let uri = Uri::from_static("/api/nodes");
        for (host, is_ours) in [
            ("ops.example.com", true),
            ("OPS.example.com:8443", true),
            ("hub.internal", true),
            ("localhost:8080", true),
            ("cortex.localhost", true),
            ("127.0.0.1:8080", true),
            ("192.168.1.7", true),
            ("[::1]:8080", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            let found = origins().is_ours(&headers(&[("host", host)]), &uri);
            assert_eq!(found, is_ours, "{host}");
        }
        assert!(origins().is_ours(&HeaderMap::new(), &uri));
        let http2 = Uri::from_static("https://evil.example/api");
        assert!(!origins().is_ours(&HeaderMap::new(), &http2));
    }

    #[test]
    fn only_own_pages_count_as_own() {
        let uri = Uri::from_static("/api/nodes");
        let page = |pairs: &[(&'static str, &str)]| origins().page(&headers(pairs), &uri);
        assert_eq!(page(&[("sec-fetch-site", "same-origin")]), Page::Own);
        for site in ["cross-site", "same-site"] {
            assert_eq!(page(&[("sec-fetch-site", site)]), Page::Foreign);
        }
        let host = ("host", "localhost:8080");
        assert_eq!(page(&[host, ("origin", "http://localhost:8080")]), Page::Own);
        assert_eq!(page(&[host, ("origin", "http://localhost:9090")]), Page::Foreign);
        assert_eq!(page(&[host, ("origin", "null")]), Page::Foreign);
        assert_eq!(page(&[host, ("origin", "https://ops.example.com")]), Page::Own);
        assert_eq!(page(&[host]), Page::Unknown);
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let origins = origins();
        let walk = |peer: &str, list: &[&str]| {
            origins.walk(peer.parse().unwrap(), list.to_vec()).to_string()
        };
        assert_eq!(walk("9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(walk("10.0.0.1", &["1.1.1.1", " 8.8.8.8"]), "8.8.8.8");
        assert_eq!(walk("10.0.0.1", &["8.8.8.8", "10.0.0.2"]), "8.8.8.8");
        assert_eq!(walk("10.0.0.1", &["garbage"]), "10.0.0.1");
        assert_eq!(walk("::ffff:10.0.0.1", &["8.8.8.8"]), "8.8.8.8");
        assert_eq!(walk("10.0.0.1", &[]), "10.0.0.1");
    }
}
