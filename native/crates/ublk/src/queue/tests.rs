//! The life of tags over a plain file laid out like the kernel's: descriptors at its start, the
//! data of user copies where the driver has it. The kernel's own part is tested in the guest.

use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::device_info::{DeviceInfo, DeviceState, OwnerTag};
use crate::device_spec::DeviceSpec;

struct Bench {
    dir: PathBuf,
    file: File,
    queue: Queue,
}

impl Bench {
    fn new(name: &str, user_copy: bool) -> Self {
        let dir = std::env::temp_dir().join(format!("shoal-queue-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("ublkc5");
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        file.set_len(0x9000_0000).unwrap();
        let spec = DeviceSpec { depth: 4, user_copy, ..DeviceSpec::new(1 << 20, OwnerTag(1)) };
        let info = DeviceInfo {
            device: 5,
            queues: 1,
            depth: 4,
            state: DeviceState::Dead,
            max_io_bytes: spec.max_io_bytes,
            server: None,
            features: spec.features(),
            owner: Some(spec.owner),
        };
        let device = Device::open(&dir, info, &spec).unwrap();
        let queue = Queue::new(Arc::new(device), 0).unwrap();
        Self { dir, file, queue }
    }

    /// Fetched and mapped.
    fn started(name: &str, user_copy: bool) -> Self {
        let mut bench = Self::new(name, user_copy);
        let tags: Vec<u16> = bench.queue.fetch_all().map(|(tag, _)| tag).collect();
        assert_eq!(tags, [0, 1, 2, 3]);
        bench.queue.map().unwrap();
        bench
    }

    /// A request as the kernel brings it.
    fn request(&mut self, tag: u16, op: u32, sector: u64, sectors: u32) -> Event {
        let mut bytes = [0; 24];
        bytes[0..4].copy_from_slice(&op.to_ne_bytes());
        bytes[4..8].copy_from_slice(&sectors.to_ne_bytes());
        bytes[8..16].copy_from_slice(&sector.to_ne_bytes());
        self.file.write_all_at(&bytes, u64::from(tag) * 24).unwrap();
        self.queue.on_cqe(tag, 0)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[test]
fn payload_is_the_structure() {
    let command = IoCommand { queue: 0x0102, tag: 0x0304, result: -5, address: 0x0506 };
    // SAFETY: 16 bytes without padding (checked in uapi).
    let bytes: [u8; 16] = unsafe { std::mem::transmute(command) };
    assert_eq!(payload(command), bytes);
}

#[test]
fn a_tag_goes_round_until_the_device_stops() {
    let mut bench = Bench::started("round", true);
    for round in 0..3 {
        let event = bench.request(2, uapi::op::READ, 8, 8);
        let expected = Request { tag: 2, op: crate::Op::Read, offset: 4096, len: 4096 };
        assert_eq!(event, Event::Request(expected), "round {round}");
        assert_eq!(bench.queue.held().collect::<Vec<_>>(), [2]);
        let _entry = bench.queue.commit(2, Ok(4096));
        assert_eq!(bench.queue.held().count(), 0);
    }
    for tag in [1, 3, 0] {
        assert_eq!(bench.queue.on_cqe(tag, -libc::ENODEV), Event::Draining);
    }
    assert_eq!(bench.queue.on_cqe(2, -libc::ENODEV), Event::Closed);
}

#[test]
fn a_stop_waits_for_the_answers_that_are_owed() {
    let mut bench = Bench::started("owed", true);
    bench.request(0, uapi::op::WRITE, 0, 8);
    for tag in [1, 2, 3] {
        assert_eq!(bench.queue.on_cqe(tag, -libc::ENODEV), Event::Draining);
    }
    let _entry = bench.queue.commit(0, Err(libc::EIO));
    assert_eq!(bench.queue.on_cqe(0, -libc::ENODEV), Event::Closed);
}

#[test]
fn bad_requests_are_refused_and_still_owed() {
    let mut bench = Bench::started("bad", true);
    let refused = |tag, errno| Event::Refuse { tag, errno };
    assert_eq!(bench.request(0, uapi::op::READ, 2048, 8), refused(0, libc::EINVAL));
    assert_eq!(bench.request(1, 77, 0, 8), refused(1, libc::EOPNOTSUPP));
    assert_eq!(bench.queue.held().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_fenced_queue_refuses_all_and_keeps_what_it_held() {
    let mut bench = Bench::started("fence", true);
    assert!(matches!(bench.request(0, uapi::op::WRITE, 0, 8), Event::Request(_)));
    bench.queue.fence();
    for (tag, op) in [(1, uapi::op::READ), (2, uapi::op::FLUSH), (3, uapi::op::DISCARD)] {
        assert_eq!(bench.request(tag, op, 0, 8), Event::Refuse { tag, errno: libc::EIO });
    }
    assert_eq!(bench.queue.held().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_fetch_that_fails_is_told() {
    let mut bench = Bench::new("failed", true);
    assert_eq!(bench.queue.fetch_all().count(), 4);
    let failed = Event::Failed { tag: 1, errno: libc::EBUSY };
    assert_eq!(bench.queue.on_cqe(1, -libc::EBUSY), failed);
}

#[test]
fn user_copies_go_to_the_place_of_their_tag() {
    let mut bench = Bench::started("copy", true);
    bench.request(3, uapi::op::READ, 0, 24);
    let pieces: Vec<Vec<u8>> = (1..=3u8).map(|i| vec![i; 1000 * usize::from(i)]).collect();
    let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    bench.queue.give_pieces(3, 512, &slices).unwrap();
    let mut back = vec![0; 6000];
    bench.file.read_exact_at(&mut back, 0x8000_0000 + (3 << 25) + 512).unwrap();
    assert_eq!(back, pieces.concat());

    let _entry = bench.queue.commit(3, Ok(24 * 512));
    bench.request(3, uapi::op::WRITE, 0, 24);
    let taken = bench.queue.take(3, 24 * 512).unwrap();
    assert_eq!(&taken.as_ref()[512..6512], &back);
    let mut part = vec![0; 100];
    bench.queue.take_into(3, 1512, &mut part).unwrap();
    assert_eq!(part, [2; 100]);
}

#[test]
fn tag_buffers_hold_the_data_instead() {
    let mut bench = Bench::started("buffers", false);
    bench.request(1, uapi::op::READ, 0, 16);
    let pieces = [IoSlice::new(&[7; 4096]), IoSlice::new(&[8; 4096])];
    bench.queue.give_pieces(1, 0, &pieces).unwrap();
    let taken = bench.queue.take(1, 8192).unwrap();
    assert_eq!(taken.as_ref(), [[7; 4096], [8; 4096]].concat());
}

#[test]
#[should_panic(expected = "holds no request")]
fn two_answers_are_a_bug() {
    let mut bench = Bench::started("twice", true);
    bench.request(0, uapi::op::READ, 0, 8);
    let _first = bench.queue.commit(0, Ok(4096));
    let _second = bench.queue.commit(0, Ok(4096));
}

#[test]
#[should_panic(expected = "without request")]
fn data_of_a_tag_in_the_kernel_is_a_bug() {
    let mut bench = Bench::started("late", true);
    bench.request(0, uapi::op::READ, 0, 8);
    let _entry = bench.queue.commit(0, Ok(4096));
    let _ = bench.queue.give(0, 0, &[0; 512]);
}

#[test]
#[should_panic(expected = "fetch first")]
fn mapping_before_the_fetch_is_a_bug() {
    let mut bench = Bench::new("early", true);
    let _ = bench.queue.map();
}
