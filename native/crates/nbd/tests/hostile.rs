//! Clients that break every rule: no panic, bounded memory, nothing handed out that should not
//! be, and neighbours unharmed.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use shoal_nbd::{
    BlockSizes, Command, Connection, Errno, Event, Export, Extent, Limits, ReadPart, Request,
};
use shoal_types::buffer::BufferPool;
use support::common::RamExports;
use support::{Random, Server, run_ok, sample, text};

/// Counts what this thread has allocated and not freed.
struct Counting;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's word.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const STREAMS: u64 = 100_000;
const SIZE: u64 = 1 << 20;
const LIMITS: Limits = Limits { requests_max: 8, bytes_max: 256 << 10 };
/// The largest request on these exports, the limit on top of it, staging, tables and the
/// answers to one option.
const MEMORY_MAX: i64 = (1 << 20) + (256 << 10) + (64 << 10);

#[test]
fn a_hundred_thousand_hostile_streams() {
    let exports = RamExports::new([
        export("a", BlockSizes::BYTES, false),
        export("b", BlockSizes::BLOCKS, false),
        export("c", BlockSizes::BYTES, true),
    ]);
    let (mut opened, mut requests, mut violations, mut peak) = (0, 0, 0, 0);
    for seed in 0..STREAMS {
        let mut random = Random(seed);
        let kernel = random.below(8) == 0;
        let stream = hostile_stream(&mut random, kernel);
        let before = LIVE.get();
        PEAK.set(before);
        let mut client = Client::new(&exports, &mut random, kernel);
        client.play(&stream);
        opened += u64::from(client.export.is_some());
        requests += client.requests;
        violations += u64::from(client.connection.finished().is_some());
        drop(client);
        peak = peak.max(PEAK.get() - before);
        assert!(PEAK.get() - before <= MEMORY_MAX, "seed {seed}: {} bytes", PEAK.get() - before);
        assert_eq!(LIVE.get(), before, "seed {seed} leaks");
    }
    println!("{opened} opened, {requests} requests, {violations} closed, {peak} bytes");
    // The streams are worth something only if many get far.
    assert!(opened > STREAMS / 4, "{opened} opened");
    assert!(requests > STREAMS, "{requests} requests");
    assert!(violations > STREAMS / 10, "{violations} violations");
}

fn export(name: &str, blocks: BlockSizes, read_only: bool) -> Export {
    Export { name: name.into(), description: "x".into(), size: SIZE, blocks, read_only }
}

struct Client<'a> {
    connection: Connection,
    random: &'a mut Random,
    export: Option<Export>,
    waiting: Vec<Request>,
    requests: u64,
}

impl<'a> Client<'a> {
    fn new(exports: &Arc<RamExports>, random: &'a mut Random, kernel: bool) -> Self {
        let pool = BufferPool::new(0);
        let connection = if kernel {
            Connection::for_kernel(export("k", BlockSizes::BYTES, false), LIMITS, pool)
        } else {
            Connection::new(exports.clone(), LIMITS, pool)
        };
        Self { connection, random, export: None, waiting: Vec::new(), requests: 0 }
    }

    /// Sends in fragments, reads answers now and then, sometimes never.
    fn play(&mut self, stream: &[u8]) {
        let patience = self.random.below(8);
        let mut rest = stream;
        let mut stuck = 0;
        while !rest.is_empty() && stuck < 100 && self.connection.finished().is_none() {
            let piece = 1 + self.random.below(rest.len().min(4000) as u64) as usize;
            let taken = self.connection.feed(&rest[..piece]);
            rest = &rest[taken..];
            stuck = if taken == 0 { stuck + 1 } else { 0 };
            self.take_events();
            if patience > 0 {
                self.read_answers();
            }
            if self.random.below(2000) == 0 {
                self.connection.shutdown();
            }
        }
    }

    fn read_answers(&mut self) {
        let some = self.random.below(self.connection.outgoing_bytes() + 1);
        self.connection.advance(some as usize);
        if self.random.below(2) == 0 {
            let all = self.connection.outgoing_bytes();
            self.connection.advance(all as usize);
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.next_event() {
            match event {
                Event::Opened(export) => self.export = Some(export),
                Event::Request(request) => {
                    self.check(&request);
                    self.requests += 1;
                    self.waiting.push(request);
                }
            }
        }
        assert!(self.waiting.len() <= LIMITS.requests_max);
        while !self.waiting.is_empty() && self.random.below(3) > 0 {
            let index = self.random.below(self.waiting.len() as u64) as usize;
            let request = self.waiting.swap_remove(index);
            self.answer(request);
        }
    }

    /// What the head may rely on.
    fn check(&self, request: &Request) {
        let kernel = export("k", BlockSizes::BYTES, false);
        let export = self.export.as_ref().unwrap_or(&kernel);
        let Request { offset, length, command, .. } = request;
        if let Command::Flush = command {
            return assert_eq!((*offset, *length), (0, 0));
        }
        let unit = u64::from(export.blocks.minimum);
        assert!(*length > 0 && offset + u64::from(*length) <= export.size, "{request:?}");
        assert!(offset % unit == 0 && u64::from(*length) % unit == 0, "{request:?}");
        match command {
            Command::Write { data, .. } => {
                assert!(!export.read_only && data.len() == *length as usize);
                assert_eq!(data.as_ptr().addr() as u64 % 4096, offset % 4096);
            }
            Command::Trim { .. } | Command::WriteZeroes { .. } => assert!(!export.read_only),
            _ => {}
        }
    }

    fn answer(&mut self, request: Request) {
        let Request { tag, offset, length, command } = request;
        let random = self.random.below(4);
        let connection = &mut self.connection;
        match command {
            _ if random == 0 => connection.reply_error(tag, Errno::Io),
            Command::Read if random == 1 && connection.can_chunk(tag) => {
                connection.read_chunk_error(tag, offset, Errno::Io);
                connection.reply_done(tag);
            }
            Command::Read if random == 2 => {
                connection.reply_read(tag, vec![ReadPart::Hole(length)]);
            }
            Command::Read => {
                let data = Bytes::from(vec![1; length as usize]);
                connection.reply_read(tag, vec![ReadPart::Data(data)]);
            }
            Command::BlockStatus => {
                let extent = Extent { length: 1 << 40, hole: true, zero: false };
                connection.reply_block_status(tag, &[extent]);
            }
            _ => connection.reply_ok(tag),
        }
    }
}

/// Mostly the language of the protocol, then damaged.
fn hostile_stream(random: &mut Random, kernel: bool) -> Vec<u8> {
    let mut stream = Vec::new();
    if !kernel {
        stream.extend((random.below(16).min(3) as u32).to_be_bytes());
        for _ in 0..random.below(6) {
            option(random, &mut stream);
        }
        put_option(&mut stream, 7, &named(random, &[0, 0]));
    }
    for _ in 0..random.below(80) {
        request(random, &mut stream);
    }
    if random.below(2) > 0 && !stream.is_empty() {
        damage(random, &mut stream);
    }
    stream
}

fn option(random: &mut Random, stream: &mut Vec<u8>) {
    // Rarely the two that end a negotiation.
    let code = if random.below(20) == 0 { 1 + random.below(2) } else { 3 + random.below(10) };
    let data = match random.below(4) {
        0 => Vec::new(),
        1 => named(random, &[0, 0, 0, 1, 0, 0, 0, 15]),
        2 => {
            let mut data = named(random, &[0, 0, 0, 1, 0, 0, 0, 15]);
            data.extend(b"base:allocation");
            data
        }
        _ => (0..random.below(300)).map(|_| random.next() as u8).collect(),
    };
    put_option(stream, code as u32, &data);
}

fn named(random: &mut Random, rest: &[u8]) -> Vec<u8> {
    let name = [b'a' + random.below(4) as u8];
    let mut data = (name.len() as u32).to_be_bytes().to_vec();
    data.extend(name);
    data.extend(rest);
    data
}

fn put_option(stream: &mut Vec<u8>, code: u32, data: &[u8]) {
    stream.extend(b"IHAVEOPT");
    stream.extend(code.to_be_bytes());
    stream.extend((data.len() as u32).to_be_bytes());
    stream.extend(data);
}

fn request(random: &mut Random, stream: &mut Vec<u8>) {
    // Rarely a goodbye, or a command that does not exist.
    let usual = [0u16, 1, 3, 4, 5, 6, 7, 9][random.below(8) as usize];
    let command = if random.below(50) == 0 { 2 } else { usual };
    let flags = if random.below(3) == 0 { random.below(64) as u16 } else { 0 };
    let unit = [1, 512, 4096][random.below(3) as usize];
    let (offset, length) = match random.below(40) {
        0 => (random.next(), random.next() as u32),
        1 => (SIZE - unit, 2 * unit as u32),
        2 => (0, 0),
        _ => (unit * random.below(SIZE / unit), (unit * random.below(8)) as u32),
    };
    stream.extend(0x2560_9513u32.to_be_bytes());
    stream.extend(flags.to_be_bytes());
    stream.extend(command.to_be_bytes());
    stream.extend(random.below(3).to_be_bytes());
    stream.extend(offset.to_be_bytes());
    stream.extend(length.to_be_bytes());
    if command == 1 {
        stream.resize(stream.len() + length.min(20_000) as usize, 0x5a);
    }
}

fn damage(random: &mut Random, stream: &mut Vec<u8>) {
    for _ in 0..1 + random.below(4) {
        let range = range(random, stream.len());
        match random.below(5) {
            0 => stream[range].iter_mut().for_each(|byte| *byte = random.next() as u8),
            1 if range.len() < stream.len() => drop(stream.drain(range)),
            2 => {
                let copy = stream[range.clone()].to_vec();
                stream.splice(range.start..range.start, copy);
            }
            3 => stream.truncate(range.end.max(1)),
            _ => {
                let at = random.below(stream.len() as u64) as usize;
                stream[at] ^= 1 << random.below(8);
            }
        }
    }
}

fn range(random: &mut Random, length: usize) -> Range<usize> {
    let start = random.below(length as u64) as usize;
    let end = start + random.below((length - start).min(64) as u64) as usize;
    start..end
}

#[test]
fn neighbours_of_hostile_clients_are_unharmed() {
    let server = Server::start();
    let source = server.path("source");
    let content = sample(&source, support::SIZE as usize, 11);
    let attackers: Vec<_> = (0..4u64)
        .map(|seed| {
            let path = server.path("socket");
            std::thread::spawn(move || attack(&path, seed))
        })
        .collect();
    for _ in 0..3 {
        let uri = server.uri("vol");
        run_ok("libnbd-bin", "nbdcopy", &["--connections=2", text(&source), &uri]);
        assert!(server.content("vol") == content);
    }
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
    assert!(server.content("vol") == content, "attackers never named this export");
}

/// Three hundred connections that go wrong, on exports whose names do not exist.
fn attack(path: &std::path::Path, seed: u64) {
    let mut random = Random(seed);
    for _ in 0..300 {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        let garbage = hostile_stream(&mut random, false);
        // The server may close midway; that is the point.
        let _ = stream.write_all(&garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.take(random.below(10_000)).read_to_end(&mut Vec::new());
    }
}
