//! How rings lie on the disk: a file or two for each key, and one file that says which keys count.
//!
//! A key's files are named after its number, the first one's without it: `ca.key.pem`,
//! `ca.4.key.pem`. A change writes the files of a new key first, replaces `rings.json`, and removes
//! the files of a key that is gone. Whatever a crash leaves, `rings.json` decides: files that it
//! does not speak of are strays, which the next start removes.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use cortex_core::Result;
use cortex_core::ring::Ring;
use cortex_core::timestamp::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::Serialize;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;
use zeroize::Zeroizing;

use super::damaged;
use super::files;
use crate::trust::certificate;
use crate::trust::certificate::PrivateKey;
use crate::trust::master::Master;
use crate::trust::rings::Ca;
use crate::trust::rings::FIRST;
use crate::trust::rings::Member;
use crate::trust::rings::Rings;

/// The file that says which keys count.
pub(super) const RINGS: &str = "rings.json";

/// A file of a key.
pub(super) struct KeyFile {
    pub(super) name: String,
    pub(super) content: Zeroizing<String>,
}

/// `rings.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    serial: u32,
    changed_at: Timestamp,
    ca: Ring<u32>,
    signing: Ring<u32>,
}

fn name(head: &str, number: u32, tail: &str) -> String {
    match number {
        FIRST => format!("{head}.{tail}"),
        number => format!("{head}.{number}.{tail}"),
    }
}

fn ca_key(number: u32) -> String {
    name("ca", number, "key.pem")
}

fn ca_certificate(number: u32) -> String {
    name("ca", number, "cert.pem")
}

fn master(number: u32) -> String {
    name("signing", number, "master")
}

/// All files of keys.
pub(super) fn all(rings: &Rings) -> Vec<KeyFile> {
    let mut files = Vec::new();
    for (Member { number, key }, _) in rings.ca.members().map(|(ca, phase)| (&**ca, phase)) {
        files.push(KeyFile { name: ca_key(*number), content: key.key.to_pem() });
        let content = certificate::pem("CERTIFICATE", &key.certificate);
        files.push(KeyFile { name: ca_certificate(*number), content });
    }
    for (Member { number, key }, _) in rings.signing.members().map(|(one, phase)| (&**one, phase)) {
        let content = Zeroizing::new(hex::encode(key.expose()) + "\n");
        files.push(KeyFile { name: master(*number), content });
    }
    files
}

/// The files of keys that a change brings.
pub(super) fn added(before: &Rings, after: &Rings) -> Vec<KeyFile> {
    let known = names(before);
    all(after).into_iter().filter(|file| !known.contains(&file.name)).collect()
}

/// The names of files of keys that a change drops.
pub(super) fn removed(before: &Rings, after: &Rings) -> Vec<String> {
    let kept = names(after);
    names(before).into_iter().filter(|name| !kept.contains(name)).collect()
}

/// Which of the files in the folder belong to no key, or are the rest of a write.
pub(super) fn strays(rings: &Rings, found: Vec<String>) -> Vec<String> {
    let kept = names(rings);
    let is_stray =
        |name: &String| name.ends_with(files::DRAFT) || (is_of_key(name) && !kept.contains(name));
    found.into_iter().filter(is_stray).collect()
}

/// Whether there is a key that only a rotation can have made.
pub(super) fn is_turned(found: &[String]) -> bool {
    let first = [ca_key(FIRST), ca_certificate(FIRST), master(FIRST)];
    found.iter().any(|name| is_of_key(name) && !first.contains(name))
}

fn is_of_key(name: &str) -> bool {
    (name.starts_with("ca.") && name.ends_with(".pem"))
        || (name.starts_with("signing.") && name.ends_with(".master"))
}

fn names(rings: &Rings) -> Vec<String> {
    let cas = rings.ca.members().map(|(member, _)| member.number);
    let cas = cas.flat_map(|number| [ca_key(number), ca_certificate(number)]);
    cas.chain(rings.signing.members().map(|(member, _)| master(member.number))).collect()
}

/// The content of `rings.json`.
pub(super) fn write(rings: &Rings) -> Vec<u8> {
    let Ok(ca) = rings.ca.try_map(|member| Ok::<_, Infallible>(member.number));
    let Ok(signing) = rings.signing.try_map(|member| Ok::<_, Infallible>(member.number));
    to_json(&Written { serial: rings.serial, changed_at: rings.changed_at, ca, signing })
}

/// The content of `rings.json` for a hub that never rotated.
pub(super) fn first(now: Timestamp) -> Vec<u8> {
    let (ca, signing) = (Ring::new(FIRST), Ring::new(FIRST));
    to_json(&Written { serial: FIRST, changed_at: now, ca, signing })
}

fn to_json(written: &Written) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(written).expect("numbers and words have a JSON form");
    json.push(b'\n');
    json
}

/// Reads `rings.json` and the keys that it speaks of.
pub(super) fn read(folder: &Path) -> Result<Rings> {
    let path = folder.join(RINGS);
    let written: Written =
        serde_json::from_slice(&files::read(&path)?).map_err(|_| damaged(&path))?;
    let ca = |number: &u32| -> Result<_> {
        Ok(Arc::new(Member { number: *number, key: read_ca(folder, *number)? }))
    };
    let signing = |number: &u32| -> Result<_> {
        Ok(Arc::new(Member { number: *number, key: read_master(folder, *number)? }))
    };
    Ok(Rings {
        serial: written.serial,
        changed_at: written.changed_at,
        ca: written.ca.try_map(ca)?,
        signing: written.signing.try_map(signing)?,
    })
}

fn read_ca(folder: &Path, number: u32) -> Result<Ca> {
    let (key_path, path) = (folder.join(ca_key(number)), folder.join(ca_certificate(number)));
    let key = PrivateKey::from_pem(&files::read(&key_path)?).ok_or_else(|| damaged(&key_path))?;
    let certificate =
        CertificateDer::from_pem_slice(&files::read(&path)?).map_err(|_| damaged(&path))?;
    let (rest, parsed) = X509Certificate::from_der(&certificate).map_err(|_| damaged(&path))?;
    if !rest.is_empty() || !parsed.is_ca() || parsed.public_key().raw != key.public_key_info() {
        return Err(damaged(&path));
    }
    Ok(Ca { certificate, key })
}

fn read_master(folder: &Path, number: u32) -> Result<Master> {
    let path = folder.join(master(number));
    let mut bytes = Zeroizing::new([0; 32]);
    super::text(&files::read(&path)?)
        .and_then(|text| hex::decode_to_slice(text, &mut bytes[..]).ok())
        .ok_or_else(|| damaged(&path))?;
    Ok(Master::from_bytes(bytes))
}
