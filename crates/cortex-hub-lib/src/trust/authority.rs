//! The hub's own certificate authority, and the server certificate that it keeps fresh.
//!
//! Nodes know the authority, not the server certificate: this one has a fresh key at each start and
//! is replaced at two thirds of its life, without a restart and without a node noticing. The
//! authority itself is replaced by a rotation; see [`Purpose::Ca`](super::Purpose).

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use arc_swap::ArcSwap;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::ring::Phase;
use cortex_core::timestamp::Timestamp;
use rcgen::SanType;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::DnsName;
use rustls::server::ClientHello;
use rustls::server::NoServerSessionStorage;
use rustls::server::ResolvesServerCert;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::OutsideCertificate;
use super::Vault;
use super::certificate;
use super::certificate::PrivateKey;
use super::door::enrolment_name;
use super::rings::Ca;
use super::rings::Member;
use super::rings::Rings;

/// The longest that [`Authority::keep_fresh`] sleeps: clocks can be set while it does.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long [`Authority::keep_fresh`] waits after it failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Signs certificates for the hub's side of TLS, and presents them.
#[derive(Debug)]
pub struct Authority {
    server_name: String,
    names: Vec<SanType>,
    rings: watch::Receiver<Arc<Rings>>,
    provider: Arc<CryptoProvider>,
    presented: Arc<Presented>,
    tls: Arc<ServerConfig>,
}

/// The name in every server certificate of this hub: what nodes ask for, whatever they dial.
///
/// Identifiers hold an underscore, which host names may not: `hub_…` becomes
/// `hub-….cortex.internal`.
#[must_use]
pub fn server_name(hub: HubId) -> String {
    format!("{}.cortex.internal", hub.to_string().replace('_', "-"))
}

impl Authority {
    /// Issues the first server certificate, for the hub's fixed name, `localhost`, the loopback
    /// addresses, and `names` (host names or IP addresses).
    ///
    /// # Errors
    /// `Invalid`: one of `names` is neither host name nor address. `Internal`: the cryptographic
    /// library failed.
    pub fn new(vault: &Vault, names: &[String], now: Timestamp) -> Result<Self> {
        let server_name = server_name(vault.hub);
        let names = subject_names(&server_name, names)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let rings = vault.watch();
        let issuer = Arc::clone(rings.borrow().ca.active());
        let first = issue(&server_name, &names, &issuer.key, &provider, now)?;
        let presented = Arc::new(Presented {
            server_name: server_name.clone(),
            own: ArcSwap::from_pointee(first),
            outside: OnceLock::new(),
        });
        Ok(Self {
            tls: Arc::new(tls_config(&provider, &presented)?),
            rings,
            server_name,
            names,
            provider,
            presented,
        })
    }

    /// The name that nodes ask for; see [`server_name`].
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The certificates of the authorities that a new node needs, the active one first: all but
    /// those that are about to be revoked.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        let pem = |ca: &Ca| certificate::pem("CERTIFICATE", &ca.certificate).to_string();
        self.for_new_nodes(pem).concat()
    }

    /// The pins of these authorities, SHA-256 of the public key (its `SubjectPublicKeyInfo`) as 64
    /// hexadecimal digits each: as they stand in a node's configuration.
    #[must_use]
    pub fn ca_pins(&self) -> Vec<String> {
        self.for_new_nodes(|ca| hex::encode(ca.pin()))
    }

    /// The authority that signs now.
    pub(super) fn issuer(&self) -> Arc<Member<Ca>> {
        Arc::clone(self.rings.borrow().ca.active())
    }

    fn for_new_nodes<T>(&self, show: impl Fn(&Ca) -> T) -> Vec<T> {
        let rings = self.rings.borrow();
        let members = rings.ca.members();
        let lasting = members.filter(|(_, phase)| !matches!(phase, Phase::Tainted { .. }));
        lasting.map(|(member, _)| show(&member.key)).collect()
    }

    /// The configuration for a TLS listener: TLS 1.3 only, HTTP/2, no early data, no client
    /// certificates. It presents whatever certificate is the newest.
    #[must_use]
    pub fn tls_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls)
    }

    /// The same, but with a client certificate demanded of everybody, which an authority has signed
    /// that is accepted at `now`.
    ///
    /// Made for one connection: the next one asks again, since authorities come and go. There are
    /// no resumptions: each connection proves anew that its certificate is good.
    ///
    /// # Errors
    /// `Internal`: the TLS library refused.
    pub fn mutual_config(&self, now: Timestamp) -> Result<Arc<ServerConfig>> {
        let rings = Arc::clone(&self.rings.borrow());
        let mut roots = RootCertStore::empty();
        for member in rings.ca.accepted(now) {
            roots.add(member.key.certificate.clone()).map_err(refused)?;
        }
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| refused(rustls::Error::General(error.to_string())))?;
        let mut config = bare_config(&self.provider, &self.presented, verifier)?;
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// Ends when this certificate of a client runs out, or when the authority is revoked that has
    /// signed it.
    pub(super) fn until_distrusted(
        &self,
        certificate: &CertificateDer<'_>,
        now: Timestamp,
    ) -> impl Future<Output = ()> + Send + use<> {
        let left = certificate::end_of(certificate).map_or(Duration::ZERO, |end| end.since(now));
        let mut rings = self.rings.clone();
        let signer = rings.borrow().ca_of(certificate);
        async move {
            let is_gone = |rings: &Arc<Rings>| {
                !rings.ca.members().any(|(member, _)| Some(member.number) == signer)
            };
            let revoked = async {
                if rings.wait_for(is_gone).await.is_err() {
                    // The hub ends, and its connections with it.
                    std::future::pending::<()>().await;
                }
            };
            // Nothing is left where it has run out, or where the authority is gone.
            let _ = tokio::time::timeout(left, revoked).await;
        }
    }

    /// Presents this certificate to clients that ask for another name than the internal one. The
    /// first one that is given stays.
    pub fn present_outside(&self, outside: Arc<OutsideCertificate>) {
        self.presented.outside.get_or_init(|| outside);
    }

    /// The certificate from outside, if there is one.
    #[must_use]
    pub fn outside(&self) -> Option<&Arc<OutsideCertificate>> {
        self.presented.outside.get()
    }

    /// When the server certificate is to be replaced: at two thirds of its life.
    #[must_use]
    pub fn renews_at(&self) -> Timestamp {
        self.presented.own.load().renews_at
    }

    /// Issues a server certificate with a fresh key, signed by the authority that is active now; new
    /// connections get it from now on.
    ///
    /// # Errors
    /// `Internal`: the cryptographic library failed; the former certificate stays.
    pub fn renew(&self, now: Timestamp) -> Result<()> {
        let issuer = self.issuer();
        let next = issue(&self.server_name, &self.names, &issuer.key, &self.provider, now)?;
        self.presented.own.store(Arc::new(next));
        Ok(())
    }

    /// Replaces the server certificate whenever it is due, until `stop` is cancelled.
    ///
    /// A failure is logged and tried again a minute later.
    ///
    /// # Cancel safety
    /// Can be dropped at any time.
    pub async fn keep_fresh(&self, clock: impl Fn() -> Timestamp, stop: CancellationToken) {
        loop {
            let now = clock();
            let pause = match pause_before_renewal(self.renews_at(), now) {
                Some(pause) => pause,
                None => match self.renew(now) {
                    Ok(()) => {
                        tracing::info!(renews_at = %self.renews_at(), "server certificate renewed");
                        continue;
                    }
                    Err(error) => {
                        tracing::error!(%error, "server certificate not renewed, trying again");
                        PAUSE_AFTER_FAILURE
                    }
                },
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// How long to wait before looking again; `None` when the renewal is due.
fn pause_before_renewal(renews_at: Timestamp, now: Timestamp) -> Option<Duration> {
    (now < renews_at).then(|| renews_at.since(now).min(LONGEST_PAUSE))
}

/// A server certificate with its key.
#[derive(Debug)]
struct Server {
    certified: Arc<CertifiedKey>,
    renews_at: Timestamp,
}

/// Presents the newest certificate to whoever asks for the internal name, or for none: whoever
/// dials an address sends no name. The one from outside is for those who ask for something else.
#[derive(Debug)]
struct Presented {
    server_name: String,
    own: ArcSwap<Server>,
    outside: OnceLock<Arc<OutsideCertificate>>,
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_public = hello.server_name().is_some_and(|name| !name.ends_with(&self.server_name));
        match self.outside.get() {
            Some(outside) if is_public => Some(outside.current()),
            _ => Some(Arc::clone(&self.own.load().certified)),
        }
    }
}

fn issue(
    server_name: &str,
    names: &[SanType],
    issuer: &Ca,
    provider: &CryptoProvider,
    now: Timestamp,
) -> Result<Server> {
    let key = PrivateKey::generate()?;
    let leaf =
        certificate::server(server_name, names, &key, (&issuer.certificate, &issuer.key), now)?;
    // The authority goes along, though TLS does not ask for it: a node that was given the pin only
    // finds the pinned key in here.
    let chain = vec![leaf, issuer.certificate.clone()];
    let certified = CertifiedKey::from_der(chain, key.to_der(), provider).map_err(refused)?;
    let renews_at = now + certificate::SERVER_LIFE * 2 / 3;
    Ok(Server { certified: Arc::new(certified), renews_at })
}

fn tls_config(provider: &Arc<CryptoProvider>, presented: &Arc<Presented>) -> Result<ServerConfig> {
    let mut config = bare_config(provider, presented, WebPkiClientVerifier::no_client_auth())?;
    // Tickets keep what a resumption needs with the node: no memory here for each that ever came.
    // One is enough, as each resumption brings the next.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(refused)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Without resumption.
fn bare_config(
    provider: &Arc<CryptoProvider>,
    presented: &Arc<Presented>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(refused)?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::clone(presented) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Early data can be replayed by whoever saw it.
    config.max_early_data_size = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn subject_names(server_name: &str, names: &[String]) -> Result<Vec<SanType>> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut all = Vec::with_capacity(names.len() + 4);
    let fixed = [server_name.to_owned(), enrolment_name(server_name), "localhost".to_owned()];
    for name in fixed.iter().chain(names) {
        let name = subject_name(name)?;
        if !all.contains(&name) {
            all.push(name);
        }
    }
    for address in loopback.map(SanType::IpAddress) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    Ok(all)
}

fn subject_name(name: &str) -> Result<SanType> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let invalid = || {
        let message = format!("\"{name}\" is neither a host name nor an IP address");
        Error::new(Kind::Invalid, "name the hub's certificate", message)
            .with_code("bad_host_name")
            .with_hint("give names without scheme, port or path, e.g. hub.example.com")
    };
    let checked = DnsName::try_from(name).map_err(|_| invalid())?;
    let text = checked.as_ref().to_ascii_lowercase();
    Ok(SanType::DnsName(text.as_str().try_into().map_err(|_| invalid())?))
}

fn refused(error: rustls::Error) -> Error {
    Error::new(Kind::Internal, "set up TLS", "the TLS library refused").with_source(error)
}

#[cfg(test)]
mod tests;
