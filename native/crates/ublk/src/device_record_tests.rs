use super::*;

pub(crate) fn record() -> DeviceRecord {
    DeviceRecord {
        device: 3,
        volume: VolumeId(42),
        name: "db-0.data".into(),
        incarnation: 1,
        generation: 9,
        size_bytes: 1 << 30,
        logical_block_bytes: 512,
        queues: 2,
        depth: 128,
        max_io_bytes: 1 << 20,
        max_trim_bytes: 128 << 20,
        read_only: false,
        fenced: true,
        user_copy: true,
    }
}

/// `bytes` with the checksum made right again.
fn resummed(mut bytes: [u8; RECORD_BYTES]) -> [u8; RECORD_BYTES] {
    let sum = crc32c(&bytes[..RECORD_BYTES - 4]);
    bytes[RECORD_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn a_record_comes_back_as_it_was() {
    let longest = DeviceRecord { name: "a".repeat(NAME_BYTES_MAX), ..record() };
    let plain = DeviceRecord { fenced: false, read_only: true, ..record() };
    for record in [record(), longest, plain] {
        assert_eq!(DeviceRecord::parse(&record.encode()), Ok(record));
    }
}

/// The format is fixed: a change of these bytes needs a new version.
#[test]
fn the_bytes_are_the_golden_ones() {
    let golden = include_str!("../../../../test/golden/ublk-device.txt");
    let fenced = record();
    let read_only = DeviceRecord {
        device: u32::MAX,
        volume: VolumeId(u64::MAX),
        name: "a".repeat(NAME_BYTES_MAX),
        incarnation: 2,
        generation: u64::MAX,
        size_bytes: 4096,
        logical_block_bytes: 4096,
        queues: 1,
        depth: 4096,
        read_only: true,
        fenced: false,
        user_copy: false,
        ..record()
    };
    let line = |name: &str, record: DeviceRecord| {
        let hex: String = record.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} {hex}\n")
    };
    assert_eq!(golden, line("device-fenced", fenced) + &line("device-read-only", read_only));
}

#[test]
fn every_changed_bit_is_noticed() {
    let good = record().encode();
    for bit in 0..RECORD_BYTES * 8 {
        let mut bytes = good;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(DeviceRecord::parse(&bytes).is_err(), "bit {bit}");
    }
    for len in 0..RECORD_BYTES {
        assert_eq!(DeviceRecord::parse(&good[..len]), Err(RecordError::Shape));
    }
}

#[test]
fn a_right_sum_does_not_excuse_wrong_fields() {
    let with = |at: usize, byte: u8| {
        let mut bytes = record().encode();
        bytes[at] = byte;
        DeviceRecord::parse(&resummed(bytes)).unwrap_err()
    };
    assert_eq!(with(8, 2), RecordError::Version(2));
    assert_eq!(with(11, 0x80), RecordError::Flags(0x8000));
    assert_eq!(with(64, 0), RecordError::Name);
    assert_eq!(with(64, 8), RecordError::Name, "bytes beyond the name");
    assert_eq!(with(64, 255), RecordError::Name);
    assert_eq!(with(66, b'/'), RecordError::Name);
    assert_eq!(with(65, b'.'), RecordError::Name);
    assert_eq!(with(52, 0), RecordError::Spec(SpecError::Queues(0)));
    assert_eq!(with(48, 1), RecordError::Spec(SpecError::LogicalBlock(513)));
}

/// Random bytes behind a right checksum never panic, and what passes is usable.
#[test]
fn random_fields_never_panic() {
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    let mut passed = 0;
    for _ in 0..100_000 {
        let mut bytes = record().encode();
        for _ in 0..1 + random() % 4 {
            bytes[8 + random() % (RECORD_BYTES - 12)] = random() as u8;
        }
        if let Ok(record) = DeviceRecord::parse(&resummed(bytes)) {
            assert_eq!(DeviceRecord::parse(&record.encode()), Ok(record));
            passed += 1;
        }
    }
    assert!(passed > 1000, "{passed}");
}
