//! The keys of a hub that are replaced without stopping work, as they are now: its authorities and
//! its signing masters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::ring::Act;
use cortex_core::ring::Misstep;
use cortex_core::ring::Ring;
use cortex_core::timestamp::Timestamp;
use rustls::pki_types::CertificateDer;
use sha2::Digest as _;
use sha2::Sha256;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;

use super::certificate;
use super::certificate::PrivateKey;
use super::master::Master;

/// What the keys of a ring are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// They sign certificates.
    Ca,
    /// The nodes' task keys are derived from them.
    Signing,
}

/// The text names no purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is neither ca nor signing")]
pub struct ParsePurposeError;

/// A step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Which ring.
    pub(crate) purpose: Purpose,
    /// What is done with it.
    pub(crate) act: Act,
    /// The end of the former key's time, where the step taints it.
    pub(crate) until: Timestamp,
    /// Whether the former key may be revoked before its time is over.
    pub(crate) early: bool,
}

/// A key with its number: the serial that brought it, which no other key of the ring ever has.
#[derive(Debug)]
pub(super) struct Member<K> {
    pub(super) number: u32,
    pub(super) key: K,
}

/// A certificate authority.
#[derive(Debug)]
pub(super) struct Ca {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKey,
}

/// Both rings, and the serial that grows with each change of either.
#[derive(Debug, Clone)]
pub(super) struct Rings {
    pub(super) serial: u32,
    pub(super) changed_at: Timestamp,
    pub(super) ca: Ring<Arc<Member<Ca>>>,
    pub(super) signing: Ring<Arc<Member<Master>>>,
}

/// The number of a ring's first key, and the first serial.
pub(super) const FIRST: u32 = 1;

impl Purpose {
    /// Both.
    pub const ALL: [Purpose; 2] = [Purpose::Ca, Purpose::Signing];

    /// The word of the API and of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Ca => "ca",
            Purpose::Signing => "signing",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Purpose {
    type Err = ParsePurposeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.word() == text);
        found.ok_or(ParsePurposeError)
    }
}

impl Ca {
    /// Makes an authority of its own.
    pub(super) fn generate(hub: HubId, now: Timestamp) -> Result<Self> {
        let key = PrivateKey::generate()?;
        Ok(Self { certificate: certificate::authority(hub, &key, now)?, key })
    }

    /// The pin: SHA-256 of the public key (its `SubjectPublicKeyInfo`).
    pub(super) fn pin(&self) -> [u8; 32] {
        Sha256::digest(self.key.public_key_info()).into()
    }

    fn has_signed(&self, certificate: &X509Certificate<'_>) -> bool {
        X509Certificate::from_der(&self.certificate)
            .is_ok_and(|(_, own)| certificate.verify_signature(Some(own.public_key())).is_ok())
    }
}

impl Rings {
    /// The rings of a new hub.
    pub(super) fn generate(hub: HubId, now: Timestamp) -> Result<Self> {
        let (ca, master) = (Ca::generate(hub, now)?, Master::generate()?);
        Ok(Self::first(ca, master, now))
    }

    /// Rings with one key each.
    pub(super) fn first(ca: Ca, master: Master, now: Timestamp) -> Self {
        Self {
            serial: FIRST,
            changed_at: now,
            ca: Ring::new(Arc::new(Member { number: FIRST, key: ca })),
            signing: Ring::new(Arc::new(Member { number: FIRST, key: master })),
        }
    }

    /// The rings after a step; these stay as they are.
    pub(super) fn after(&self, hub: HubId, step: &Step, now: Timestamp) -> Result<Self> {
        let mut next = Self { serial: self.serial + 1, changed_at: now, ..self.clone() };
        let number = next.serial;
        match step.purpose {
            Purpose::Ca => {
                let make = || Ok(Arc::new(Member { number, key: Ca::generate(hub, now)? }));
                next.ca = turn(&self.ca, step, now, make)?;
            }
            Purpose::Signing => {
                let make = || Ok(Arc::new(Member { number, key: Master::generate()? }));
                next.signing = turn(&self.signing, step, now, make)?;
            }
        }
        Ok(next)
    }

    /// The number of the authority in the ring that has signed a certificate.
    pub(super) fn ca_of(&self, certificate: &CertificateDer<'_>) -> Option<u32> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let mut members = self.ca.members().map(|(member, _)| member);
        members.find(|member| member.key.has_signed(&parsed)).map(|member| member.number)
    }

    /// The end of the tainted key's time, if that ring has one.
    pub(super) fn tainted_until(&self, purpose: Purpose) -> Option<Timestamp> {
        match purpose {
            Purpose::Ca => self.ca.tainted_until(),
            Purpose::Signing => self.signing.tainted_until(),
        }
    }
}

fn turn<K: Clone>(
    ring: &Ring<K>,
    step: &Step,
    now: Timestamp,
    make: impl FnOnce() -> Result<K>,
) -> Result<Ring<K>> {
    let turned = match step.act {
        Act::Prepare => ring.prepare(make()?),
        Act::Activate => ring.activate(),
        Act::Taint => ring.taint(step.until),
        Act::Revoke => ring.revoke(now, step.early),
        Act::Rollback => ring.rollback(now),
    };
    turned.map_err(|misstep| refused(misstep, step, ring.next_act()))
}

fn refused(misstep: Misstep, step: &Step, next: Act) -> Error {
    let Step { purpose, act, .. } = step;
    let message = format!("cannot {act} the {purpose} ring: {misstep}");
    let error = Error::new(Kind::Precondition, "rotate keys", message);
    match misstep {
        Misstep::StillAccepted { .. } => error.with_code("still_accepted").with_hint(
            "it is revoked by itself then; --force revokes it now, and cuts off whoever needs it",
        ),
        _ => error
            .with_code("rotation_order")
            .with_hint(format!("the next step is: cortex-cli trust {next} {purpose}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn step(purpose: Purpose, act: Act) -> Step {
        Step { purpose, act, until: NOW, early: false }
    }

    #[test]
    fn each_change_has_a_serial_and_each_key_a_number_of_its_own() {
        let hub = HubId::from_bytes([1; 16]);
        let mut rings = Rings::generate(hub, NOW).unwrap();
        let mut numbers = vec![rings.ca.active().number];
        for act in [Act::Prepare, Act::Rollback, Act::Prepare, Act::Activate] {
            let next = rings.after(hub, &step(Purpose::Ca, act), NOW).unwrap();
            assert_eq!(next.serial, rings.serial + 1);
            assert_eq!(next.signing.active().number, FIRST);
            rings = next;
            numbers.extend(rings.ca.members().map(|(member, _)| member.number));
        }
        assert_eq!(numbers, [1, 1, 2, 1, 1, 4, 4, 1]);
    }

    #[test]
    fn a_wrong_order_is_refused_with_the_right_one() {
        let hub = HubId::from_bytes([1; 16]);
        let rings = Rings::generate(hub, NOW).unwrap();
        let error = rings.after(hub, &step(Purpose::Signing, Act::Activate), NOW).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Precondition, "rotation_order"));
        assert_eq!(error.hint(), Some("the next step is: cortex-cli trust prepare signing"));
        assert_eq!(
            ("ca".parse(), "x".parse::<Purpose>()),
            (Ok(Purpose::Ca), Err(ParsePurposeError))
        );
    }
}
