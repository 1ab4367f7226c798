//! The bytes of every format, kept in `test/golden/wire-*`. A change here is a change of what
//! other versions read: it needs a new version number, not new golden files. To add a format:
//! `SHOAL_GOLDEN=write cargo test -p shoal-wire --test golden`.

use std::fmt::Write;
use std::path::PathBuf;

use bytes::Bytes;
use shoal_types::message::{CopyBlock, CopyEntry, Encoding, EntryInfo, EntryKind, WriteRequest};
use shoal_types::*;
use shoal_wire::codec::{encode_reply, encode_request};
use shoal_wire::frame::{Header, Kind, Outgoing};
use shoal_wire::hello::{Greeter, HelloRefusal, HelloReply, Purpose};
use shoal_wire::identity::file::{self, Role as KeyRole};
use shoal_wire::identity::join::{JoinRefusal, JoinReply, JoinRequest};
use shoal_wire::identity::{JoinToken, Membership, SecretKey, TokenSecret, certificate};
use shoal_wire::service::{self, GoawayReason};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../test/golden").join(name)
}

fn check(name: &str, lines: &[(&str, String)]) {
    let mut text = String::new();
    for (label, value) in lines {
        writeln!(text, "{label} {value}").expect("a string takes all");
    }
    if std::env::var("SHOAL_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(path(name), &text).expect("the golden directory is there");
    }
    let golden = std::fs::read_to_string(path(name)).expect("the golden file is there");
    for (golden, now) in golden.lines().zip(text.lines()) {
        assert_eq!(golden, now, "{name}: a format has changed");
    }
    assert_eq!(golden, text, "{name}: entries were added or removed");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// Headers and meta of what `push` appends; block data is left out: it travels as it is.
fn head(push: impl FnOnce(&mut Outgoing)) -> String {
    let mut out = Outgoing::new();
    push(&mut out);
    hex(out.parts().next().expect("a frame has a header"))
}

fn entry() -> EntryInfo {
    EntryInfo {
        layer: LayerId(0x11),
        block: 0x22,
        version: Version::new(0x33, 0x44),
        stamp: PgEpoch(0x55),
        kind: EntryKind::Data,
    }
}

fn state() -> BlockState {
    BlockState::Data { data: Bytes::from(vec![0; BLOCK_BYTES]), crc: 0xcccc_cccc }
}

fn write(body: Body, role: Role) -> Request {
    Request::Write(WriteRequest {
        volume: VolumeId(1),
        pg: PgId::new(2, 3),
        layer: LayerId(4),
        block: 5,
        version: Version::new(6, 7),
        pg_epoch: PgEpoch(8),
        watermark: Version::new(6, 5),
        role,
        body,
    })
}

fn requests() -> Vec<(&'static str, Request)> {
    let (volume, pg, layer) = (VolumeId(1), PgId::new(2, 3), LayerId(4));
    let (head_epoch, pg_epoch, join_at) = (HeadEpoch(6), PgEpoch(8), PgEpoch(9));
    let data = Body::Data {
        data: Bytes::from(vec![0; 2 * BLOCK_BYTES]),
        crcs: vec![0xaaaa_aaaa, 0xbbbb_bbbb],
        encoding: Encoding::PLAIN,
    };
    let after = Some((LayerId(4), 77));
    vec![
        ("write-data", write(data, Role::InSync)),
        ("write-clear", write(Body::Clear { blocks: 9 }, Role::InSync)),
        ("write-zero", write(Body::Zero { blocks: 9 }, Role::Joining { join_at })),
        ("read", Request::Read { volume, pg, layer, block: 5, blocks: 6, head_epoch, pg_epoch }),
        (
            "install",
            Request::Install { volume, pg, head_epoch, pg_epoch, role: Role::InSync, after },
        ),
        ("read-entry", Request::ReadEntry { volume, pg, head_epoch, entry: entry() }),
        ("confirm", Request::Confirm { volume, head_epoch, pgs: vec![(pg, pg_epoch)] }),
        (
            "settle",
            Request::Settle { volume, head_epoch, pgs: vec![(pg, pg_epoch, Version::new(6, 5))] },
        ),
        (
            "join-open",
            Request::JoinOpen { pg, join_at, joiner: DiskId(10), after: Some(VolumeId(11)) },
        ),
        ("copy-list", Request::CopyList { pg, join_at, since: PgEpoch(7), after: None }),
        ("copy-read", Request::CopyRead { pg, join_at, layer, block: 5, blocks: 6 }),
        ("open-layer", Request::OpenLayer { volume, layer, head_epoch }),
        ("ping", Request::Ping),
    ]
}

fn replies() -> Vec<(&'static str, Reply)> {
    let (version, pg_epoch) = (Version::new(6, 7), PgEpoch(8));
    let copy = CopyBlock { version, stamp: pg_epoch, state: state() };
    let copy_entry = CopyEntry {
        volume: VolumeId(1),
        layer: LayerId(4),
        block: 32,
        mask: 0x0f0f,
        stamp: pg_epoch,
    };
    let refusals = [
        ("refused-stale-head", Refusal::StaleHead { installed: HeadEpoch(9) }),
        ("refused-stale-pg", Refusal::StalePg { seen: PgEpoch(9) }),
        ("refused-not-installed", Refusal::NotInstalled { installed: HeadEpoch(9) }),
        ("refused-no-session", Refusal::NoSession),
        ("refused-unfit", Refusal::Unfit),
        ("refused-not-member", Refusal::NotMember),
        ("refused-deleted", Refusal::Deleted),
        ("refused-no-space", Refusal::NoSpace),
        ("refused-fenced", Refusal::Fenced),
        ("refused-bad-block", Refusal::BadBlock),
        ("refused-not-found", Refusal::NotFound),
    ];
    let mut replies = vec![
        ("written", Reply::Written { version, pg_epoch, free_blocks: 1000 }),
        ("blocks", Reply::Blocks { blocks: vec![BlockState::Absent, BlockState::Zero, state()] }),
        (
            "installed",
            Reply::Installed {
                entries: vec![entry()],
                watermark: Version::new(6, 5),
                newest: version,
                more: true,
            },
        ),
        ("entry", Reply::Entry { state: state() }),
        ("confirmed", Reply::Confirmed),
        ("settled", Reply::Settled),
        (
            "join-opened",
            Reply::JoinOpened {
                more: true,
                heads: vec![(VolumeId(1), HeadEpoch(6))],
                layers: vec![(VolumeId(1), LayerId(4))],
                marks: vec![(VolumeId(1), Version::new(6, 5), Version::new(6, 8))],
            },
        ),
        ("copy-list", Reply::CopyList { entries: vec![copy_entry], more: false }),
        ("copy-blocks", Reply::CopyBlocks { blocks: vec![copy] }),
        ("layer-opened", Reply::LayerOpened),
        ("pong", Reply::Pong { map_epoch: MapEpoch(12) }),
    ];
    replies.extend(refusals.map(|(name, refusal)| (name, Reply::Refused(refusal))));
    replies
}

#[test]
fn frames() {
    let disk = DiskId(0x0d15_c0de);
    let mut lines = Vec::new();
    for (name, request) in requests() {
        let frame = head(|out| encode_request(out, 0x0102, disk, &request).expect("fits"));
        lines.push((format!("request-{name}"), frame));
    }
    for (name, reply) in replies() {
        let frame = head(|out| encode_reply(out, 0x0102, disk, &reply).expect("fits"));
        lines.push((format!("reply-{name}"), frame));
    }
    let raft = head(|out| out.push(Header::new(Kind::Raft, 3), b"opaque").expect("fits"));
    lines.push(("raft".into(), raft));
    lines.push(("ping".into(), head(|out| service::ping(out, 4))));
    lines.push(("pong".into(), head(|out| service::pong(out, 4))));
    let goaway = head(|out| service::goaway(out, GoawayReason::Removed));
    lines.push(("goaway-removed".into(), goaway));
    let lines: Vec<_> = lines.iter().map(|(name, hex)| (name.as_str(), hex.clone())).collect();
    check("wire-frames.txt", &lines);
}

const CLUSTER: [u8; 16] = *b"0123456789abcdef";

#[test]
fn hello() {
    let greeter = Greeter::new(CLUSTER, 2, PeerId(3), 0xfeed);
    let accepted = HelloReply::Accepted {
        protocol: 1,
        features: 0,
        peer: PeerId(4),
        nonce: 0xbeef,
        credential: b"credential".to_vec(),
    };
    let refused = HelloReply::Refused(HelloRefusal::NoCommonProtocol { lowest: 2, highest: 3 });
    check(
        "wire-hello.txt",
        &[
            ("hello-replication", hex(&greeter.hello(Purpose::Replication(DiskId(9))).encode())),
            ("hello-join", hex(&greeter.hello(Purpose::Join).encode())),
            ("reply-accepted", hex(&accepted.encode())),
            ("reply-refused", hex(&refused.encode())),
        ],
    );
}

#[test]
fn identity() {
    let key = SecretKey::from_seed(&[1; 32]);
    let authority = SecretKey::from_seed(&[2; 32]);
    let secret = TokenSecret::new([3; 16]);
    let token = JoinToken {
        cluster: CLUSTER,
        authority: authority.public(),
        secret: secret.clone(),
        expires_unix_s: 1_800_000_000,
        addresses: vec!["192.0.2.1:7400".into(), "[2001:db8::1]:7400".into()],
    };
    let member =
        Membership { cluster: CLUSTER, incarnation: 2, peer: PeerId(3), key: key.public() };
    let membership = member.sign(&authority);
    let request = JoinRequest::new(&CLUSTER, &secret, &key.public(), b"details".to_vec());
    let welcome = JoinReply::Welcome { membership, details: b"details".to_vec() };
    check(
        "wire-identity.txt",
        &[
            ("seed", hex(key.seed())),
            ("public-key", key.public().to_string()),
            ("key-file", file::encode(&key, KeyRole::Peer).trim_end().to_owned()),
            ("authority-file", file::encode(&authority, KeyRole::Authority).trim_end().to_owned()),
            ("certificate", hex(&certificate::self_signed(&key))),
            ("membership", hex(&membership)),
            ("token", token.encode().to_string()),
            ("token-public-key", secret.key().public().to_string()),
            ("join-request", hex(&request.encode())),
            ("join-welcome", hex(&welcome.encode())),
            ("join-refused-used", hex(&JoinReply::Refused(JoinRefusal::Used).encode())),
        ],
    );
}
