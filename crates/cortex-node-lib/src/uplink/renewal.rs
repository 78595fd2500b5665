//! Renews the node's certificate: in time, with a fresh key, by the hub's door for enrolments.
//!
//! The hub moves the node's generation on when it issues a certificate, and takes whoever comes with
//! an older one for a copy. So while the answer of a renewal is not stored, no stream is opened:
//! [`settle`] asks again for it first, with the same key, and gets the same answer.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::timestamp::Timestamp;

use super::Uplink;
use super::calls;
use super::calls::Refused;
use super::connect::Door;
use super::credentials::Certificate;
use super::credentials::Credentials;
use super::credentials::Current;
use super::jitter;
use super::now;

/// After this share of its life a certificate is renewed, give or take [`SPREAD`].
const RENEW_AT: f64 = 0.67;

/// So that nodes that enrolled together do not renew together.
const SPREAD: f64 = 0.10;

/// The longest sleep before another look at the clock, which can be set meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The bounds of the wait after a renewal that failed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));

/// What counts now, read where reading files is no harm.
pub(super) async fn current(credentials: &Arc<dyn Credentials>) -> Result<Current> {
    let credentials = Arc::clone(credentials);
    blocking(move || credentials.current()).await
}

/// Brings a renewal to its end that was begun, and renews what has run out; then says what counts.
///
/// # Errors
/// Those of [`calls::renew`]; nothing may be dialled then.
pub(super) async fn settle(uplink: &Uplink, refused: bool) -> Result<Current> {
    let found = current(&uplink.credentials).await?;
    let has_run_out = found.certificate.as_ref().is_some_and(|one| refused || now() >= one.to);
    if !found.is_renewing && !has_run_out {
        return Ok(found);
    }
    renew(uplink, found.generation).await?;
    current(&uplink.credentials).await
}

/// Renews whenever it is time; ends only where the hub does not want the node any more.
pub(super) async fn keep(uplink: &Uplink) -> Error {
    loop {
        let found = match current(&uplink.credentials).await {
            Ok(found) => found,
            Err(error) => return error,
        };
        let Some(certificate) = found.certificate else {
            // This hub issues none.
            return std::future::pending().await;
        };
        let due = due_at(&certificate, jitter());
        loop {
            let left = due.since(now());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(LONGEST_PAUSE)).await;
        }
        match renew(uplink, found.generation).await {
            Ok(()) => {}
            Err(error) if error.code() == "node_revoked" => return error,
            Err(error) => {
                let wait = retry_after(&certificate, now());
                tracing::warn!(%error, ?wait, "certificate not renewed, trying again");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn renew(uplink: &Uplink, generation: u64) -> Result<()> {
    let credentials = Arc::clone(&uplink.credentials);
    let csr = blocking(move || credentials.begin_renewal()).await?;
    let channel = uplink.dial(Door::Enrolment).await?;
    let renewed = match calls::renew(channel.clone(), &uplink.membership, generation, csr).await {
        Ok(renewed) => renewed,
        Err(Refused { error, verdict }) => {
            if let Some(verdict) = verdict {
                uplink.hear(&channel, verdict).await?;
            }
            return Err(error);
        }
    };
    let generation = renewed.generation;
    let credentials = Arc::clone(&uplink.credentials);
    blocking(move || credentials.finish_renewal(renewed)).await?;
    tracing::info!(generation, "certificate renewed");
    Ok(())
}

/// When to renew; `jitter` is a random share from 0 to 1.
fn due_at(certificate: &Certificate, jitter: f64) -> Timestamp {
    let share = RENEW_AT + SPREAD * (2.0 * jitter - 1.0);
    certificate.from + certificate.to.since(certificate.from).mul_f64(share)
}

/// How long to wait after a failure: a tenth of what is left.
fn retry_after(certificate: &Certificate, now: Timestamp) -> Duration {
    (certificate.to.since(now) / 10).clamp(RETRY.0, RETRY.1)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failure| {
        let message = "a task of the node failed";
        Err(Error::new(ErrorKind::Internal, "renew certificate", message).with_source(failure))
    })
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;

    fn certificate(seconds: i64) -> Certificate {
        Certificate {
            chain: Vec::new(),
            key: PrivatePkcs8KeyDer::from(Vec::new()).into(),
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(seconds * 1_000),
        }
    }

    #[test]
    fn a_certificate_is_renewed_between_57_and_77_percent_of_its_life() {
        let day = certificate(100_000);
        let at = |jitter| due_at(&day, jitter).as_millis() / 1_000;
        assert_eq!([at(0.0), at(0.5), at(1.0)], [57_000, 67_000, 77_000]);
    }

    #[test]
    fn the_less_is_left_the_sooner_it_is_tried_again() {
        let day = certificate(86_400);
        let after = |seconds: i64| retry_after(&day, Timestamp::from_millis(seconds * 1_000));
        assert_eq!(after(0), RETRY.1);
        assert_eq!(after(86_400 - 100), Duration::from_secs(10));
        assert_eq!([after(86_400), after(100_000)], [RETRY.0; 2]);
    }
}
