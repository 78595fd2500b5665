//! A certificate from outside, for the public name: what browsers and other programs see.
//!
//! It comes as two files that somebody else renews. They are read again when they change; a broken
//! replacement is logged and the former certificate stays. Nodes never see it: they ask for the
//! hub's internal name and pin its own authority.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use arc_swap::ArcSwap;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use sha2::Digest as _;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Time between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

const OPERATION: &str = "read TLS certificate";

/// A certificate in files, as it was when it was last good.
#[derive(Debug)]
pub struct OutsideCertificate {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// SHA-256 of the files' content that was looked at last, good or not.
    seen: Mutex<[u8; 32]>,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

struct Content {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl OutsideCertificate {
    /// Reads the certificate chain and its key, PEM both. Blocks.
    ///
    /// # Errors
    /// `Precondition`, code `tls_files`: a file cannot be read, holds none, or they do not belong
    /// together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files { certificate: certificate.to_path_buf(), key: key.to_path_buf() };
        let content = files.read()?;
        let current = ArcSwap::from_pointee(files.parse(&content, &provider)?);
        let seen = Mutex::new(content.digest());
        Ok(Self { files, provider, current, seen })
    }

    /// Reads the files again; says whether there is a new certificate. Blocks.
    ///
    /// # Errors
    /// As [`OutsideCertificate::load`], once for each content; the former certificate stays.
    pub fn reload(&self) -> Result<bool> {
        let content = self.files.read()?;
        let digest = content.digest();
        if std::mem::replace(&mut *super::lock(&self.seen), digest) == digest {
            return Ok(false);
        }
        self.current.store(Arc::new(self.files.parse(&content, &self.provider)?));
        Ok(true)
    }

    /// Reads the files again whenever they change, until `stop` is cancelled. Logs what fails.
    ///
    /// # Cancel safety
    /// Can be dropped at any time.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut last_failure = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let this = Arc::clone(&self);
            let Ok(reloaded) = tokio::task::spawn_blocking(move || this.reload()).await else {
                continue;
            };
            match reloaded {
                Ok(true) => {
                    tracing::info!(file = %self.files.certificate.display(), "new TLS certificate");
                    last_failure = None;
                }
                Ok(false) => {}
                Err(error) => {
                    // The same every few seconds would only hide what else is said.
                    let text = error.to_string();
                    if last_failure.as_ref() != Some(&text) {
                        tracing::error!(%error, "the former TLS certificate stays");
                        last_failure = Some(text);
                    }
                }
            }
        }
    }

    /// The configuration for an HTTP listener: TLS 1.2 and 1.3, as browsers and programs of today
    /// speak, with this certificate whatever name is asked for.
    ///
    /// # Errors
    /// `Internal`: the TLS library refused.
    pub fn http_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>> {
        let refused = |error: rustls::Error| {
            Error::new(Kind::Internal, "set up TLS", "the TLS library refused").with_source(error)
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The certificate with its key.
    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        self.current.load_full()
    }
}

impl ResolvesServerCert for OutsideCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl Files {
    fn read(&self) -> Result<Content> {
        let certificate = read(&self.certificate)?.to_vec();
        Ok(Content { certificate, key: read(&self.key)? })
    }

    fn parse(&self, content: &Content, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let (certificate, key) = (&self.certificate, &self.key);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(certificate, &error.to_string()))?;
        if chain.is_empty() {
            return Err(unusable(certificate, "it has no certificate in PEM"));
        }
        let private = PrivateKeyDer::from_pem_slice(&content.key)
            .map_err(|error| unusable(key, &format!("it has no private key in PEM: {error}")))?;
        CertifiedKey::from_der(chain, private, provider).map_err(|error| {
            unusable(key, &format!("it does not go with {}: {error}", certificate.display()))
        })
    }
}

impl Content {
    fn digest(&self) -> [u8; 32] {
        let parts = [Sha256::digest(&self.certificate), Sha256::digest(&self.key)];
        Sha256::digest(parts.concat()).into()
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| unusable(path, &error.to_string()))?;
    Ok(bytes)
}

fn unusable(path: &Path, reason: &str) -> Error {
    let message = format!("cannot use {}: {reason}", path.display());
    Error::new(Kind::Precondition, OPERATION, message)
        .with_code("tls_files")
        .with_hint("give --tls-cert and --tls-key a PEM certificate chain and its private key")
}

#[cfg(test)]
mod tests {
    use rcgen::CertificateParams;
    use rcgen::KeyPair;

    use super::*;

    fn write(folder: &Path, name: &str) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    fn load(folder: &Path) -> Result<OutsideCertificate> {
        OutsideCertificate::load(&folder.join("cert.pem"), &folder.join("key.pem"))
    }

    #[test]
    fn a_replacement_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(load(path).unwrap_err().code(), "tls_files");
        let first = write(path, "a.example");
        let outside = load(path).unwrap();
        assert_eq!(outside.current().cert, std::slice::from_ref(&first));
        assert!(!outside.reload().unwrap());

        // A new certificate whose key has not come yet, then rubbish, then nothing.
        let old_key = std::fs::read(path.join("key.pem")).unwrap();
        let second = write(path, "b.example");
        let new_key = std::fs::read(path.join("key.pem")).unwrap();
        std::fs::write(path.join("key.pem"), old_key).unwrap();
        assert_eq!(outside.reload().unwrap_err().code(), "tls_files");
        assert!(!outside.reload().unwrap(), "the same failure is told once");
        std::fs::write(path.join("key.pem"), "rubbish").unwrap();
        assert!(outside.reload().is_err());
        std::fs::remove_file(path.join("key.pem")).unwrap();
        assert!(outside.reload().is_err());
        assert_eq!(outside.current().cert, [first]);

        std::fs::write(path.join("key.pem"), new_key).unwrap();
        assert!(outside.reload().unwrap());
        assert_eq!(outside.current().cert, [second]);
    }
}
