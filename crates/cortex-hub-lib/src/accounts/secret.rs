//! The texts of secrets: `cxt1.<id>.<secret>` for an API token, `cxr1.<id>.<secret>` for a login's
//! refresh token, `cxc1.<secret>` for a one-time code. The hub stores only SHA-256 of the secret.
//!
//! The first half of a refresh token's secret is the same for all tokens of a login: it tells an old
//! token from one that somebody made up. The second half is new each time.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::TokenId;
use secrecy::SecretString;
use sha2::Digest as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::store::accounts::RefreshDigest;

/// SHA-256 of a secret, or of a whole token.
pub(super) type Digest = [u8; 32];

/// Begins every API token.
pub(super) const API_TOKEN: &str = "cxt1";
const REFRESH_TOKEN: &str = "cxr1";
const CODE: &str = "cxc1";

/// What all refresh tokens of a login have in their secrets, in bytes.
const ROOT: usize = 16;

/// 256 random bits.
pub(super) struct Secret(Zeroizing<[u8; 32]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Takes 256 bits from the operating system.
    ///
    /// # Errors
    /// `Internal`: the system has none.
    pub(super) fn generate() -> Result<Self> {
        let mut secret = Self(Zeroizing::new([0; 32]));
        fill(secret.0.as_mut())?;
        Ok(secret)
    }

    /// The secret of the next refresh token of the same login.
    ///
    /// # Errors
    /// `Internal`: the system has no random bits.
    pub(super) fn successor(&self) -> Result<Self> {
        let mut next = Self(self.0.clone());
        fill(&mut next.0[ROOT..])?;
        Ok(next)
    }

    /// What is stored of it.
    pub(super) fn digest(&self) -> Digest {
        digest_of(self.0.as_slice())
    }

    /// What is stored of it as a refresh token.
    pub(super) fn refresh_digest(&self) -> RefreshDigest {
        RefreshDigest { whole: self.digest(), root: digest_of(&self.0[..ROOT]) }
    }

    /// The text of an API token with this secret.
    pub(super) fn api_token(&self, id: TokenId) -> SecretString {
        format!("{API_TOKEN}.{id}.{}", self.text().as_str()).into()
    }

    /// The text of a refresh token with this secret.
    pub(super) fn refresh_token(&self, login: TokenId) -> SecretString {
        format!("{REFRESH_TOKEN}.{login}.{}", self.text().as_str()).into()
    }

    /// The text of a one-time code with this secret.
    pub(super) fn code(&self) -> SecretString {
        format!("{CODE}.{}", self.text().as_str()).into()
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        // 43 characters are 32 bytes and nothing else decodes to as many.
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()).ok()?;
        (length == 32).then_some(Self(bytes))
    }
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        let message = "the system gave no random bytes";
        Error::new(ErrorKind::Internal, "make secret", message).with_source(error)
    })
}

/// SHA-256.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Compares in constant time.
pub(super) fn is_same(left: &Digest, right: &Digest) -> bool {
    left.ct_eq(right).into()
}

/// Reads an API token.
pub(super) fn parse_api_token(text: &str) -> Option<(TokenId, Secret)> {
    parse_pair(API_TOKEN, text)
}

/// Reads a refresh token.
pub(super) fn parse_refresh_token(text: &str) -> Option<(TokenId, Secret)> {
    parse_pair(REFRESH_TOKEN, text)
}

/// Reads a one-time code.
pub(super) fn parse_code(text: &str) -> Option<Secret> {
    Secret::parse(text.strip_prefix(CODE)?.strip_prefix('.')?)
}

fn parse_pair(prefix: &str, text: &str) -> Option<(TokenId, Secret)> {
    let (id, secret) = text.strip_prefix(prefix)?.strip_prefix('.')?.split_once('.')?;
    Some((id.parse().ok()?, Secret::parse(secret)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn texts_round_trip_and_kinds_do_not_mix() {
        let (id, secret) = (TokenId::generate(), Secret::generate().unwrap());
        let text = secret.api_token(id);
        let (read, again) = parse_api_token(text.expose_secret()).unwrap();
        assert_eq!((read, again.digest()), (id, secret.digest()));
        assert!(parse_refresh_token(text.expose_secret()).is_none());
        let refresh = secret.refresh_token(id);
        assert!(parse_refresh_token(refresh.expose_secret()).is_some());
        assert!(parse_api_token(refresh.expose_secret()).is_none());
        let code = secret.code();
        let code = parse_code(code.expose_secret()).unwrap();
        assert!(is_same(&code.digest(), &secret.digest()));
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn refresh_tokens_of_a_login_share_a_root_and_nothing_else() {
        let first = Secret::generate().unwrap();
        let second = first.successor().unwrap();
        let (one, two) = (first.refresh_digest(), second.refresh_digest());
        assert_eq!(one.root, two.root);
        assert_ne!(one.whole, two.whole);
        assert_ne!(first.0[ROOT..], second.0[ROOT..]);
        assert_ne!(Secret::generate().unwrap().refresh_digest().root, one.root);
    }

    #[test]
    fn one_character_more_or_less_is_no_token() {
        let text = Secret::generate().unwrap().api_token(TokenId::generate());
        let text = text.expose_secret();
        assert!(parse_api_token(&text[..text.len() - 1]).is_none());
        assert!(parse_api_token(&format!("{text}A")).is_none());
        assert!(parse_api_token(&format!(" {text}")).is_none());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(cxt1|cxr1|cxc1)?\\PC*") {
            let _ = (parse_api_token(&text), parse_refresh_token(&text), parse_code(&text));
        }
    }
}
