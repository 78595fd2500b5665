//! Secrets stay where they belong: not in what is printed of a hub, not in its database.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;

const PASSWORD: &str = "correct horse battery staple 51";

/// Every text that would let its reader in, after a run in which all of them were used.
async fn seeds(rig: &Rig) -> Vec<String> {
    let draft = json!({"name": "ada", "role": "member", "password": PASSWORD});
    rig.call("POST", "/api/users", Some(draft)).await;
    let login = json!({"name": "ada", "password": PASSWORD});
    let login = rig.send(request("POST", "/api/login", None, Some(login))).await.json();
    let refresh = Some(json!({"refresh_token": login["refresh_token"]}));
    let next = rig.send(request("POST", "/api/refresh", None, refresh)).await.json();
    let invite = rig.call("POST", "/api/nodes/invite", Some(json!({"name": "lab"}))).await.json();
    let token = rig.call("POST", "/api/tokens", Some(json!({"name": "t"}))).await.json();
    let link = rig.hub.accounts().sign_in_link("http://h").await.unwrap();
    let link = link.expose_secret().split("#code=").nth(1).unwrap().to_owned();
    rig.get("/api/nodes").await;
    let mut seeds = vec![PASSWORD.to_owned(), rig.admin.clone(), link];
    for secret in [
        &login["access_token"],
        &login["refresh_token"],
        &next["access_token"],
        &next["refresh_token"],
        &invite["token"],
        &token["token"],
    ] {
        seeds.push(secret.as_str().unwrap().to_owned());
    }
    // Of a token, the part behind the last dot is the secret one; it is also looked for as bytes.
    let parts: Vec<_> = seeds
        .iter()
        .filter_map(|seed| seed.rsplit_once('.'))
        .map(|(_, part)| part.to_owned())
        .collect();
    for part in parts {
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(&part) {
            seeds.extend([hex::encode(&bytes), STANDARD.encode(&bytes)]);
        }
        seeds.push(part);
    }
    seeds
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn row_51_no_secret_is_in_the_database_or_in_what_is_printed_of_a_hub() {
    let rig = Rig::start().await;
    let seeds = seeds(&rig).await;
    let printed = format!("{:?} {:#?}", rig.hub, rig.hub);
    for seed in &seeds {
        assert!(!printed.contains(seed.as_str()), "{seed} is printed");
    }
    let folder = rig.folder.path().to_owned();
    let mut databases = 0;
    for path in files_below(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        if name == "admin.token" {
            continue;
        }
        databases += usize::from(bytes.starts_with(b"SQLite format 3"));
        for seed in &seeds {
            assert!(!contains(&bytes, seed.as_bytes()), "{seed} is in {name}");
        }
        for raw in seeds.iter().filter_map(|seed| URL_SAFE_NO_PAD.decode(seed).ok()) {
            assert!(
                raw.len() < 16 || !contains(&bytes, &raw),
                "the bytes of a secret are in {name}"
            );
        }
    }
    assert_eq!(databases, 1);
    rig.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn row_51_every_file_with_a_key_or_a_token_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::start().await;
    let mut looked_at = 0;
    for path in files_below(rig.folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let is_secret = contains(&bytes, b"PRIVATE KEY")
            || contains(&bytes, b"cxt1.")
            || bytes.len() == 32
            || bytes.len() == 64;
        if is_secret {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o177, 0, "{}: {mode:o}", path.display());
            looked_at += 1;
        }
    }
    assert!(looked_at >= 2, "{looked_at} files");
    rig.stop().await;
}
