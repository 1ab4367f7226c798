use std::collections::{BTreeMap, BTreeSet};

use super::*;

const KIND: Envelope = Envelope { magic: *b"TEST", version: 2, body_max: 1000 };

#[test]
fn envelope_round_trip() {
    let sealed = seal(KIND, b"body");
    assert_eq!(open(KIND, &sealed).unwrap(), (&b"body"[..], Masks::default()));
}

#[test]
fn every_flipped_bit_of_an_envelope_shows() {
    let sealed = seal(KIND, b"some body");
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(open(KIND, &damaged).is_err(), "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert!(open(KIND, &sealed[..len]).is_err());
    }
}

#[test]
fn newer_versions_and_unknown_features_are_refused_by_name() {
    let newer = seal(Envelope { version: 3, ..KIND }, b"");
    let refused = open(KIND, &newer);
    assert_eq!(refused, Err(DecodeError::Incompatible { what: "version", found: 3 }));
    for (at, what) in [(12, "ro-compat mask"), (16, "incompat mask")] {
        let mut odd = seal(KIND, b"");
        odd[at] = 4;
        assert_eq!(open(KIND, &odd), Err(DecodeError::Incompatible { what, found: 4 }));
    }
    let mut compat = seal(KIND, b"x");
    compat[8] = 1;
    let crc = shoal_types::checksum::crc32c(&compat[..28]);
    let crc = shoal_types::checksum::crc32c_seeded(crc, b"x");
    compat[28..32].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(open(KIND, &compat).unwrap().1.compat, 1);
}

#[test]
fn hostile_counts_do_not_allocate() {
    let bytes = [0xff; 8];
    assert!(matches!(decode::<Vec<u64>>(&bytes), Err(DecodeError::Short { .. })));
    assert!(matches!(decode::<String>(&bytes), Err(DecodeError::Short { .. })));
    assert!(matches!(decode::<BTreeMap<u8, u8>>(&bytes), Err(DecodeError::Short { .. })));
}

#[test]
fn one_encoding_per_value() {
    assert!(decode::<BTreeSet<u8>>(&[2, 0, 0, 0, 5, 5]).is_err(), "twice the same key");
    assert!(decode::<BTreeSet<u8>>(&[2, 0, 0, 0, 6, 5]).is_err(), "descending keys");
    assert!(decode::<bool>(&[2]).is_err());
    assert!(decode::<Option<u8>>(&[3, 1]).is_err());
    assert!(decode::<String>(&[1, 0, 0, 0, 0xff]).is_err());
    assert_eq!(decode::<u8>(&[1, 2]), Err(DecodeError::Trailing { left: 1 }));
}
