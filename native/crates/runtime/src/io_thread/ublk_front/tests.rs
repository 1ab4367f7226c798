//! Parking and fencing, over a plain file laid out like the kernel's: descriptors at its start, the
//! data of user copies where the driver has it. The kernel's own part is tested in the guest.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use shoal_engine::head::Segment;
use shoal_ublk::device_info::DeviceState;
use shoal_ublk::device_spec::DeviceSpec;
use shoal_ublk::{Device, DeviceInfo, OwnerTag, uapi};

use super::*;
use crate::ring::{Mailbox, mailbox};

const DEPTH: u16 = 4;
const VOLUMES: [VolumeId; 2] = [VolumeId(1), VolumeId(2)];
const WRITE: u32 = 1;
const READ: u32 = 0;

/// Two devices of one queue each, of the volumes 1 and 2; nothing reaps the ring.
struct Bench {
    dir: PathBuf,
    files: Vec<File>,
    front: UblkFront,
    reactor: Reactor<Tag>,
    actions: Vec<FrontAction>,
    _inbox: Mailbox<()>,
}

impl Bench {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("shoal-front-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (_, inbox) = mailbox().unwrap();
        let reactor = Reactor::new(64, inbox.wake_fd()).unwrap();
        let front = UblkFront::new(BufferPool::new(1 << 20));
        let mut bench =
            Self { dir, files: Vec::new(), front, reactor, actions: Vec::new(), _inbox: inbox };
        VOLUMES.iter().for_each(|volume| bench.add(*volume));
        bench
    }

    fn add(&mut self, volume: VolumeId) {
        self.hand_over(volume);
        self.front.start(&mut self.reactor, |_| None);
    }

    /// It is not started yet.
    fn hand_over(&mut self, volume: VolumeId) {
        let number = volume.0 as u32;
        let path = self.dir.join(format!("ublkc{number}"));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        file.set_len(0x9000_0000).unwrap();
        let spec = DeviceSpec { depth: DEPTH, ..DeviceSpec::new(1 << 20, OwnerTag(1)) };
        let info = DeviceInfo {
            device: number,
            queues: 1,
            depth: DEPTH,
            state: DeviceState::Dead,
            max_io_bytes: spec.max_io_bytes,
            server: None,
            features: spec.features(),
            owner: Some(spec.owner),
        };
        let device = Arc::new(Device::open(&self.dir, info, &spec).unwrap());
        let done = Box::new(|served: std::io::Result<()>| served.unwrap());
        self.front.add(NewDevice { volume, device, fenced: false, done });
        self.files.push(file);
    }

    /// A request of a block as the kernel brings it, at the device with this index.
    fn request(&mut self, device: usize, tag: u16, op: u32) {
        let mut bytes = [0; 24];
        bytes[0..4].copy_from_slice(&op.to_ne_bytes());
        bytes[4..8].copy_from_slice(&8u32.to_ne_bytes());
        bytes[8..16].copy_from_slice(&(u64::from(tag) * 8).to_ne_bytes());
        self.files[device].write_all_at(&bytes, u64::from(tag) * 24).unwrap();
        self.front.on_cqe(device, tag, 0, &mut self.reactor, &mut self.actions);
    }

    fn head_came(&mut self, volume: VolumeId, head: HeadKey) {
        self.front.head_came(volume, head, &mut self.reactor, &mut self.actions);
    }

    fn complete(&mut self, op_id: u64, result: Result<ClientReply, ClientError>) {
        self.front.complete(op_id, result, &mut self.reactor);
    }

    /// What heads were asked since the last look: head, operation.
    fn asked(&mut self) -> Vec<(HeadKey, u64)> {
        let asked = self.actions.drain(..).map(|action| match action {
            FrontAction::Ask { head, op_id, .. } => (head, op_id),
            FrontAction::Move { .. } => unreachable!("a device is no client"),
        });
        asked.collect()
    }

    /// What the kernel was told since the last look: device, tag, result.
    fn told(&mut self) -> Vec<(usize, u16, Result<u32, i32>)> {
        std::mem::take(&mut self.front.told)
    }

    /// Every request that the kernel waits for is one operation, and no other.
    fn check(&self) {
        for (key, slot) in &self.front.queues {
            let mut held: Vec<u16> = slot.queue.held().collect();
            let open = self.front.ops_where(|op| op.queue == key);
            let mut ops: Vec<u16> = open.iter().map(|op| self.front.ops[*op].request.tag).collect();
            held.sort_unstable();
            ops.sort_unstable();
            assert_eq!(held, ops, "queue {key}");
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

const EIO: Result<u32, i32> = Err(libc::EIO);

#[test]
fn a_request_waits_for_a_head_and_again_for_the_next_one() {
    let mut bench = Bench::new("park");
    bench.request(0, 2, WRITE);
    assert_eq!(bench.asked(), [], "there is no head yet");
    bench.head_came(VOLUMES[1], 70);
    assert_eq!(bench.asked(), [], "another volume's");
    bench.head_came(VOLUMES[0], 71);
    let first = bench.asked();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].0, 71);
    bench.front.head_gone(71);
    bench.request(0, 0, READ);
    assert_eq!(bench.asked(), []);
    bench.head_came(VOLUMES[0], 72);
    let mut second = bench.asked();
    second.sort_unstable();
    assert_eq!(second.iter().map(|(head, _)| *head).collect::<Vec<_>>(), [72, 72]);
    assert_eq!(bench.told(), [], "nothing was answered on the way");
    bench.check();
    let zeros = vec![Segment::Zeros(4096)];
    for (_, op) in second {
        let is_write = op == first[0].1;
        let reply = if is_write { ClientReply::Written } else { ClientReply::Read(zeros.clone()) };
        bench.complete(op, Ok(reply));
    }
    assert_eq!(bench.told().len(), 2);
    bench.check();
}

#[test]
fn a_head_that_is_released_fails_nothing() {
    let mut bench = Bench::new("released");
    bench.head_came(VOLUMES[0], 1);
    bench.request(0, 1, WRITE);
    let (_, op) = bench.asked()[0];
    bench.complete(op, Err(ClientError::Closed));
    assert_eq!(bench.told(), []);
    bench.front.head_gone(1);
    bench.head_came(VOLUMES[0], 2);
    assert_eq!(bench.asked(), [(2, op)]);
    bench.complete(op, Ok(ClientReply::Written));
    assert_eq!(bench.told(), [(0, 1, Ok(4096))]);
}

#[test]
fn a_fence_answers_all_that_waits_and_all_that_comes_of_this_volume_only() {
    let mut bench = Bench::new("fence");
    bench.head_came(VOLUMES[0], 1);
    bench.head_came(VOLUMES[1], 2);
    bench.request(0, 0, WRITE);
    bench.request(0, 3, READ);
    bench.request(1, 0, WRITE);
    let asked = bench.asked();
    // The head says so of one; the other two are still with heads.
    bench.complete(asked[0].1, Err(ClientError::Fenced));
    assert_eq!(bench.told(), [(0, 0, EIO), (0, 3, EIO)]);
    bench.request(0, 0, READ);
    bench.request(0, 1, WRITE);
    assert_eq!(bench.told(), [(0, 0, EIO), (0, 1, EIO)]);
    assert_eq!(bench.asked(), [], "no head hears of them");
    bench.check();
    // The head's own answer comes late: the kernel has had one.
    bench.complete(asked[1].1, Ok(ClientReply::Read(vec![Segment::Zeros(4096)])));
    assert_eq!(bench.told(), []);
    bench.complete(asked[2].1, Ok(ClientReply::Written));
    assert_eq!(bench.told(), [(1, 0, Ok(4096))]);
    assert!(bench.front.ops.is_empty(), "nothing is kept");
}

#[test]
fn a_parked_request_is_fenced_too_and_a_new_head_does_not_revive_it() {
    let mut bench = Bench::new("parked-fence");
    bench.request(0, 0, WRITE);
    bench.front.fence(VOLUMES[0], &mut bench.reactor);
    assert_eq!(bench.told(), [(0, 0, EIO)]);
    bench.head_came(VOLUMES[0], 9);
    bench.request(0, 0, WRITE);
    assert_eq!(bench.asked(), []);
    assert_eq!(bench.told(), [(0, 0, EIO)]);
}

#[test]
fn a_device_that_is_fenced_before_it_starts_never_reaches_a_head() {
    let mut bench = Bench::new("early-fence");
    let late = VolumeId(3);
    bench.hand_over(late);
    bench.front.fence(late, &mut bench.reactor);
    bench.front.start(&mut bench.reactor, |_| Some(5));
    bench.request(2, 0, WRITE);
    assert_eq!(bench.asked(), []);
    assert_eq!(bench.told(), [(2, 0, EIO)]);
}

#[test]
fn a_stopping_process_answers_nothing_more_to_newcomers() {
    let mut bench = Bench::new("stop");
    bench.head_came(VOLUMES[0], 1);
    bench.front.stop();
    bench.request(0, 0, WRITE);
    bench.request(0, 1, READ);
    assert_eq!(bench.asked(), []);
    assert_eq!(bench.told(), [], "the next process gets them again");
}

#[test]
fn a_late_answer_outlives_the_device() {
    let mut bench = Bench::new("late");
    bench.head_came(VOLUMES[0], 1);
    bench.request(0, 0, WRITE);
    let (_, op) = bench.asked()[0];
    bench.front.fence(VOLUMES[0], &mut bench.reactor);
    for tag in 0..DEPTH {
        let result = uapi::RESULT_ABORT;
        bench.front.on_cqe(0, tag, result, &mut bench.reactor, &mut bench.actions);
    }
    assert_eq!(bench.front.devices.len(), 1, "the device is let go of");
    bench.complete(op, Ok(ClientReply::Written));
    bench.front.head_gone(1);
    assert!(bench.front.ops.is_empty());
}

/// Xorshift: any sequence will do, the same one each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

#[test]
fn whatever_happens_each_request_is_answered_once_and_without_error_unless_fenced() {
    for seed in 1..=40_u64 {
        let mut bench = Bench::new(&format!("random-{seed}"));
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut heads, mut next_head) = ([None, None], 1);
        let mut in_heads: Vec<(HeadKey, u64)> = Vec::new();
        let mut fenced = [false, false];
        for _ in 0..300 {
            let device = dice.roll(2);
            let tag = dice.roll(DEPTH as usize) as u16;
            match dice.roll(10) {
                0..=3 if bench.front.queues[device].queue.held().all(|held| held != tag) => {
                    bench.request(device, tag, WRITE);
                }
                4..=6 if !in_heads.is_empty() => {
                    let (_, op) = in_heads.swap_remove(dice.roll(in_heads.len()));
                    bench.complete(op, Ok(ClientReply::Written));
                }
                7 if heads[device].is_none() => {
                    bench.head_came(VOLUMES[device], next_head);
                    heads[device] = Some(next_head);
                    next_head += 1;
                }
                8 => {
                    if let Some(head) = heads[device].take() {
                        bench.front.head_gone(head);
                        in_heads.retain(|(of, _)| *of != head);
                    }
                }
                9 if dice.roll(20) == 0 => {
                    fenced[device] = true;
                    bench.front.fence(VOLUMES[device], &mut bench.reactor);
                }
                _ => {}
            }
            in_heads.extend(bench.asked());
            for (device, _, result) in bench.told() {
                assert!(result == Ok(4096) || fenced[device], "seed {seed}: {result:?}");
            }
            bench.check();
        }
    }
}
