use std::os::unix::fs::PermissionsExt;

use shoal_types::PeerId;

use super::file::{KeyFileError, Role};
use super::*;
use crate::testing::Rng;

mod token;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

#[test]
fn signatures_hold_for_their_key_and_message_alone() {
    let signature = key(1).sign(b"message");
    assert!(key(1).public().verifies(b"message", &signature));
    assert!(!key(2).public().verifies(b"message", &signature));
    assert!(!key(1).public().verifies(b"massage", &signature));
    assert_ne!(SecretKey::generate().unwrap().public(), SecretKey::generate().unwrap().public());
}

/// RFC 8032, section 7.1, test 1.
#[test]
fn a_known_seed_gives_the_known_key() {
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    let public = SecretKey::from_seed(&seed).public();
    assert_eq!(public.0[..8], [0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7]);
}

#[test]
fn public_keys_come_back_from_text_and_other_text_is_refused() {
    let text = key(1).public().to_string();
    assert_eq!(text.parse(), Ok(key(1).public()));
    for wrong in ["", "ed25519:", &text[1..], &text[..text.len() - 1], &format!("{text}A")] {
        assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
    }
}

#[test]
fn debug_output_tells_no_secret() {
    let secret = TokenSecret::new([0x41; 16]);
    let shown = format!("{:?} {:?}", key(0x41), secret);
    assert!(!shown.contains("65") && !shown.contains("AAAA") && !shown.contains("QUFB"), "{shown}");
}

#[test]
fn key_files_come_back_and_every_damage_shows() {
    let text = file::encode(&key(3), Role::Peer);
    assert_eq!(file::parse(&text, Role::Peer).unwrap().public(), key(3).public());
    assert!(matches!(file::parse(&text, Role::Authority), Err(KeyFileError::Role)));
    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let mut bytes = text.as_bytes().to_vec();
        rng.mutate(&mut bytes);
        let Ok(damaged) = String::from_utf8(bytes) else { continue };
        if let Ok(key) = file::parse(&damaged, Role::Peer) {
            assert_eq!(damaged.trim_end(), text.trim_end());
            assert_eq!(key.public(), self::key(3).public());
        }
    }
}

#[test]
fn a_key_file_is_private_and_never_replaced() {
    let dir = std::env::temp_dir().join(format!("shoal-key-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("key");
    file::create(&path, &key(4), Role::Authority).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(file::load(&path, Role::Authority).unwrap().public(), key(4).public());
    assert!(matches!(file::create(&path, &key(5), Role::Peer), Err(KeyFileError::Io(_))));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert!(matches!(file::load(&path, Role::Authority), Err(KeyFileError::Mode(0o640))));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_certificate_gives_its_key_back_and_nothing_else_passes() {
    let der = certificate::self_signed(&key(1));
    assert_eq!(der.len(), certificate::CERTIFICATE_BYTES);
    assert_eq!(certificate::public_key(&der), Some(key(1).public()));
    for at in 0..der.len() {
        let mut other = der.clone();
        other[at] ^= 1;
        let found = certificate::public_key(&other);
        assert_ne!(found, Some(key(1).public()).filter(|_| at < der.len() - 64));
    }
    for cut in 0..der.len() {
        assert_eq!(certificate::public_key(&der[..cut]), None);
    }
    assert_eq!(certificate::public_key(&[&der[..], &[0]].concat()), None);
}

fn membership() -> Membership {
    Membership { cluster: [5; 16], incarnation: 2, peer: PeerId(3), key: key(3).public() }
}

#[test]
fn a_membership_holds_for_its_authority_and_every_byte_of_it_counts() {
    let record = membership().sign(&key(9));
    assert_eq!(Membership::verify(&record, &key(9).public()), Ok(membership()));
    assert!(Membership::verify(&record, &key(8).public()).is_err());
    for at in 0..record.len() {
        let mut other = record;
        other[at] ^= 0x10;
        assert!(Membership::verify(&other, &key(9).public()).is_err(), "byte {at}");
        assert!(Membership::verify(&record[..at], &key(9).public()).is_err());
    }
}
