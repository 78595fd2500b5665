//! Receipts of nodes: one statement has one form, and what nobody signed is not believed.

use cortex_core::receipt::Receipt;
use cortex_core::receipt::Signed;
use ed25519_dalek::SigningKey;

/// The input is 64 bytes of signature and the statement.
pub(crate) fn check(data: &[u8]) {
    let (signature, statement) = data.split_at(data.len().min(64));
    let parsed = Receipt::from_bytes(statement);
    if let Some(parsed) = &parsed {
        assert_eq!(parsed.to_bytes(), statement, "one receipt has one form");
    }
    let key = SigningKey::from_bytes(&[8; 32]);
    let signed =
        Signed { statement: statement.to_vec().into(), signature: signature.to_vec().into() };
    if signed.verify(key.verifying_key().as_bytes()).is_ok() {
        let parsed = parsed.expect("only the vector is signed, and that is a receipt");
        assert_eq!(parsed.sign(&key), signed);
    }
}
