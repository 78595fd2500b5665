//! The access token: got when it is needed, renewed well before it ends.

use std::time::Duration;
use std::time::Instant;

use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use super::Membership;
use super::calls;
use super::calls::Refused;

/// After this share of its life, a token is not used for a new call.
const RENEW_AT: f64 = 0.67;

/// Holds the newest token.
#[derive(Debug)]
pub(super) struct Tokens {
    member: Membership,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    token: AsciiMetadataValue,
    renew_at: Instant,
}

impl Tokens {
    pub(super) fn new(member: Membership) -> Self {
        Self { member, held: None }
    }

    /// A token that is good for a new call: the held one, or a new one.
    pub(super) async fn get(&mut self, channel: &Channel) -> Result<AsciiMetadataValue, Refused> {
        if let Some(held) = &self.held
            && Instant::now() < held.renew_at
        {
            return Ok(held.token.clone());
        }
        let asked_at = Instant::now();
        let issued = calls::issue_token(channel.clone(), &self.member).await?;
        let life = Duration::from_millis(u64::try_from(issued.life_ms).unwrap_or(0));
        let token = issued.token;
        self.held =
            Some(Held { token: token.clone(), renew_at: asked_at + life.mul_f64(RENEW_AT) });
        Ok(token)
    }

    /// Forgets the token, because the hub did not take it.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }
}
