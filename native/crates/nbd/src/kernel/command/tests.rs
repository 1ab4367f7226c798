use super::*;
use crate::BlockSizes;
use crate::kernel::message::{Content, Malformed, messages};

fn connect() -> Connect {
    let export = Export {
        name: "v".into(),
        description: String::new(),
        size: 1 << 30,
        blocks: BlockSizes::BYTES,
        read_only: false,
    };
    Connect::new(&export, 512, "shoal:v", 7)
}

/// The attributes of a request, as the kernel would find them.
fn attributes(raw: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let message = messages(raw).next().unwrap().unwrap();
    let Content::Data { attributes, .. } = message.content().unwrap() else { panic!() };
    attributes.iter().map(|(kind, value)| (kind, value.to_vec())).collect()
}

#[test]
fn connect_says_it_all() {
    let connect = Connect { dead_connection_seconds: 60, ..connect() };
    let raw = connect.encode(30, 9).unwrap();
    assert_eq!(raw.len() % 4, 0);
    assert_eq!(raw[..4], (raw.len() as u32).to_ne_bytes());
    assert_eq!(raw[4..8], [30u16.to_ne_bytes(), 5u16.to_ne_bytes()].concat());
    assert_eq!(raw[8..12], 9u32.to_ne_bytes());
    assert_eq!(raw[16..20], [1, 1, 0, 0]);
    // HAS_FLAGS, TRIM, WRITE_ZEROES; no FLUSH, no FUA.
    let flags = 1u64 | 1 << 5 | 1 << 6;
    let u64_of = |value: u64| value.to_ne_bytes().to_vec();
    let item = |fd: u32| {
        [&12u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), &8u16.to_ne_bytes(), &1u16.to_ne_bytes()]
            .concat()
            .into_iter()
            .chain(fd.to_ne_bytes())
    };
    let expected = vec![
        (attr::SIZE_BYTES, u64_of(1 << 30)),
        (attr::BLOCK_SIZE_BYTES, u64_of(512)),
        (attr::TIMEOUT, u64_of(0)),
        (attr::DEAD_CONN_TIMEOUT, u64_of(60)),
        (attr::SERVER_FLAGS, u64_of(flags)),
        (attr::CLIENT_FLAGS, u64_of(0)),
        (attr::BACKEND_IDENTIFIER, b"shoal:v\0".to_vec()),
        (attr::SOCKETS, item(7).collect()),
    ];
    assert_eq!(attributes(&raw), expected);
}

#[test]
fn an_index_and_read_only_are_named() {
    let connect = Connect { index: Some(3), read_only: true, rotational: true, ..connect() };
    let found = attributes(&connect.encode(30, 9).unwrap());
    assert_eq!(found[0], (attr::INDEX, 3u32.to_ne_bytes().to_vec()));
    let flags = found.iter().find(|(kind, _)| *kind == attr::SERVER_FLAGS).unwrap();
    assert_eq!(flags.1, (1u64 | 1 << 1 | 1 << 4).to_ne_bytes());
}

#[test]
fn what_the_kernel_would_misread_is_not_sent() {
    let bad = |change: fn(&mut Connect)| {
        let mut connect = connect();
        change(&mut connect);
        connect.encode(30, 1).unwrap_err()
    };
    assert_eq!(bad(|c| c.block_size = 256), BadCommand::BlockSize(256));
    assert_eq!(bad(|c| c.block_size = 8192), BadCommand::BlockSize(8192));
    assert_eq!(bad(|c| c.block_size = 1000), BadCommand::BlockSize(1000));
    assert_eq!(bad(|c| c.size = 0), BadCommand::Size(0));
    assert_eq!(bad(|c| c.size = 1000), BadCommand::Size(1000));
    assert_eq!(bad(|c| c.backend = "x".repeat(129)), BadCommand::Backend);
    assert_eq!(bad(|c| c.backend = "a\0b".into()), BadCommand::Backend);
}

#[test]
fn reconfigure_names_the_backend_again() {
    let reconfigure = Reconfigure { index: 4, socket: None, backend: "b".into(), size: Some(9) };
    let expected = vec![
        (attr::INDEX, 4u32.to_ne_bytes().to_vec()),
        (attr::BACKEND_IDENTIFIER, b"b\0".to_vec()),
        (attr::SIZE_BYTES, 9u64.to_ne_bytes().to_vec()),
    ];
    assert_eq!(attributes(&reconfigure.encode(30, 1).unwrap()), expected);
    let reconfigure = Reconfigure { socket: Some(5), size: None, ..reconfigure };
    let found = attributes(&reconfigure.encode(30, 1).unwrap());
    assert_eq!(found.last().unwrap().0, attr::SOCKETS);
}

#[test]
fn a_status_is_read() {
    // What the kernel sends: its own header, then the same attributes.
    let item = |list: Builder, index: u32, connected: u32| {
        list.nested(attr::DEVICE_ITEM, |item| {
            item.u32(attr::DEVICE_INDEX, index).u32(attr::DEVICE_CONNECTED, connected)
        })
    };
    let raw = Builder::new(30, STATUS, 1, 5)
        .nested(attr::DEVICE_LIST, |list| item(item(list, 0, 1u32.to_le()), 1, 0))
        .finish();
    let message = messages(&raw).next().unwrap().unwrap();
    assert_eq!((message.kind, message.sequence), (30, 5));
    let Content::Data { command: STATUS, attributes } = message.content().unwrap() else {
        panic!()
    };
    let expected = [(0, true), (1, false)]
        .map(|(index, connected)| DeviceStatus { index, connected })
        .to_vec();
    assert_eq!(devices(attributes), expected);
}

#[test]
fn errors_and_acknowledgements_are_read() {
    for (code, errno) in [(0, 0), (-16, 16)] {
        let mut raw = 36u32.to_ne_bytes().to_vec();
        raw.extend(2u16.to_ne_bytes());
        raw.extend([0; 2]);
        raw.extend(7u32.to_ne_bytes());
        raw.extend([0; 4]);
        raw.extend(i32::to_ne_bytes(code));
        raw.extend([0; 16]);
        let message = messages(&raw).next().unwrap().unwrap();
        assert_eq!(message.content(), Ok(Content::Acknowledged(errno)));
    }
}

#[test]
fn damaged_answers_are_refused_and_never_loop() {
    let raw = [status(30, 1, Some(2)), connect().encode(30, 2).unwrap()].concat();
    assert_eq!(messages(&raw).count(), 2);
    let mut state = 1u64;
    let mut random = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % limit
    };
    let mut refused = 0;
    for _ in 0..100_000 {
        let mut damaged = raw.clone();
        for _ in 0..1 + random(4) {
            let at = random(damaged.len());
            damaged[at] = random(256) as u8;
        }
        damaged.truncate(random(raw.len() + 1));
        for message in messages(&damaged) {
            let Ok(message) = message else {
                refused += 1;
                continue;
            };
            if let Ok(Content::Data { attributes, .. }) = message.content() {
                assert!(attributes.iter().count() <= damaged.len() / 4);
                connected_index(attributes);
                family_id(attributes);
                assert!(devices(attributes).len() <= damaged.len() / 4);
            }
        }
    }
    assert!(refused > 10_000, "{refused}");
    assert_eq!(messages(&[0; 16]).collect::<Vec<_>>(), [Err(Malformed)]);
}
