//! Access tokens: what this hub did not issue is nobody's.

use std::sync::OnceLock;

use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::trust::Tokens;
use cortex_hub_lib::trust::Vault;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A hub with keys of its own, new in each run: nothing that was written down before is good.
fn tokens() -> &'static Tokens {
    static TOKENS: OnceLock<Tokens> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let vault = Vault::open(dir.path(), NOW).expect("a new vault");
        Tokens::new(&vault).expect("tokens")
    })
}

/// The input is the text of a token.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(tokens().verify_user(text, NOW).is_err(), "taken as a user's");
    assert!(tokens().verify_node(text, NOW).is_err(), "taken as a node's");
}
