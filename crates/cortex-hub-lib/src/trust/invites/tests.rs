use cortex_core::timestamp::Timestamp;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;

const USER: UserId = UserId::from_bytes([3; 16]);

fn invites() -> Invites {
    Invites::new(&Vault::sample(Timestamp::from_millis(1_700_000_000_000)))
}

fn error(text: &str) -> ParseInviteError {
    text.parse::<InviteToken>().unwrap_err()
}

proptest! {
    #[test]
    fn text_round_trips(id: [u8; 16], secret: [u8; 32]) {
        let secret = InviteSecret::from_slice(&secret).unwrap();
        let token = InviteToken { id: InviteId::from_bytes(id), secret };
        let text = token.to_text();
        let read: InviteToken = format!("\n {} \t", text.expose_secret()).parse().unwrap();
        prop_assert_eq!(read.id, token.id);
        prop_assert_eq!(read.secret.expose(), token.secret.expose());
        let again = read.to_text();
        prop_assert_eq!(again.expose_secret(), text.expose_secret());
    }

    #[test]
    fn parsing_never_panics(text in "(cxi[0-9]{0,2})?[.]?\\PC{0,100}") {
        let _ = text.parse::<InviteToken>();
    }

    #[test]
    fn one_changed_character_is_refused_or_another_invite(
        at in any::<prop::sample::Index>(),
        with in "[\\PC]",
    ) {
        let text = invites().for_key(USER, "key").to_text();
        let text = text.expose_secret();
        let at = at.index(text.len());
        let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
        if let Ok(read) = changed.parse::<InviteToken>() {
            let read = read.to_text();
            prop_assert_eq!(read.expose_secret() == text, changed == text);
        }
    }
}

#[test]
fn garbled_invites_are_told_what_is_wrong() {
    let good = invites().generate().unwrap().to_text();
    let good = good.expose_secret();
    let (head, secret) = good.rsplit_once('.').unwrap();
    assert!(good.parse::<InviteToken>().is_ok());
    assert_eq!(error(""), ParseInviteError::Prefix);
    assert_eq!(error("cxi"), ParseInviteError::Prefix);
    assert_eq!(error("cxix.a.b"), ParseInviteError::Prefix);
    assert_eq!(error(&good.to_uppercase()), ParseInviteError::Prefix);
    assert_eq!(error(&good.replacen("cxi1", "cxi2", 1)), ParseInviteError::Version);
    assert_eq!(error(head), ParseInviteError::Parts { found: 2 });
    assert_eq!(error(&format!("{good}.more")), ParseInviteError::Parts { found: 4 });
    assert_eq!(error(&good[..good.len() - 1]), ParseInviteError::Length { found: 42 });
    assert_eq!(error(&format!("{good}=")), ParseInviteError::Length { found: 44 });
    let spoiled = format!("{head}.{}", secret.replacen(|_: char| true, "+", 1));
    assert_eq!(error(&spoiled), ParseInviteError::Secret);
    let task = good.replacen("inv_", "tsk_", 1);
    assert!(matches!(error(&task), ParseInviteError::Id(_)));
    assert!(error(&task).to_string().contains("inv_"));
}

#[test]
fn the_same_key_gives_the_same_invite_and_another_does_not() {
    let invites = invites();
    let token = invites.for_key(USER, "order-66");
    // Computed apart from this code: HKDF-SHA256 of 09×32 without salt, user 03×16.
    assert_eq!(hex::encode(token.id.as_bytes()), "9b63397b91a089f9879b3023ac635817");
    assert_eq!(
        hex::encode(token.secret.expose()),
        "14284d9c6be5dd78e55151baa5bf2d955a3eaa20ce3cdaf4a98cfd2d5674bebb"
    );
    let others = [
        invites.for_key(USER, "order-67"),
        invites.for_key(USER, ""),
        invites.for_key(UserId::from_bytes([4; 16]), "order-66"),
        invites.generate().unwrap(),
    ];
    for other in others {
        assert_ne!(other.id, token.id);
        assert_ne!(other.secret.expose(), token.secret.expose());
    }
}

#[test]
fn the_digest_is_that_of_the_secret_and_debug_shows_neither() {
    let token = InviteToken {
        id: InviteId::from_bytes([1; 16]),
        secret: InviteSecret::from_slice(&[0xab; 32]).unwrap(),
    };
    let digest: [u8; 32] = Sha256::digest([0xab; 32]).into();
    assert_eq!(token.secret.digest(), digest);
    let shown = format!("{token:?}");
    assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
    assert!(InviteSecret::from_slice(&[0; 31]).is_none());
}
