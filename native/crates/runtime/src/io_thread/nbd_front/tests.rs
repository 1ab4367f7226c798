//! Clients that come and go, over a ring that nobody reaps.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use shoal_nbd::{BlockSizes, Export};

use super::*;
use crate::io_thread::Served;
use crate::ring::{Mailbox, mailbox};

const HEAD: HeadKey = 7;

struct Bench {
    front: NbdFront,
    directory: Arc<ExportDirectory>,
    reactor: Reactor<Tag>,
    actions: Vec<FrontAction>,
    _inbox: Mailbox<()>,
}

impl Bench {
    fn new() -> Self {
        let (_, inbox) = mailbox().unwrap();
        let reactor = Reactor::new(64, inbox.wake_fd()).unwrap();
        let directory = Arc::new(ExportDirectory::default());
        let front = NbdFront::new(0, directory.clone(), BufferPool::new(1 << 20));
        Self { front, directory, reactor, actions: Vec::new(), _inbox: inbox }
    }

    fn export(&self) {
        self.directory.insert(Served { export: export(), thread: 0, head: HEAD });
    }

    /// A client that negotiated on another thread; gives its own end.
    fn adopt(&mut self, is_kernel: bool, has_head: bool) -> UnixStream {
        let (theirs, ours) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let pool = BufferPool::new(1 << 20);
        let moved = MovedClient {
            head: HEAD,
            socket: ours.into(),
            connection: Connection::for_kernel(export(), Limits::default(), pool),
            requests: Vec::new(),
            is_kernel,
        };
        self.front.adopt(moved, has_head, &mut self.actions);
        self.front.flush(&mut self.reactor, &mut self.actions);
        theirs
    }
}

fn export() -> Export {
    let (name, description) = ("a".to_owned(), String::new());
    Export { name, description, size: 1 << 20, blocks: BlockSizes::BLOCKS, read_only: false }
}

fn is_connected(client: &mut UnixStream) -> bool {
    client.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_client_that_comes_to_its_head_stays() {
    let mut bench = Bench::new();
    assert!(is_connected(&mut bench.adopt(true, true)), "the kernel's needs no export");
    bench.export();
    assert!(is_connected(&mut bench.adopt(false, true)));
}

#[test]
fn a_client_whose_head_ended_on_the_way_is_disconnected() {
    let mut bench = Bench::new();
    bench.export();
    assert!(!is_connected(&mut bench.adopt(false, false)));
    assert!(!is_connected(&mut bench.adopt(true, false)));
    assert!(bench.front.clients.is_empty());
}

#[test]
fn a_client_whose_export_ended_on_the_way_is_disconnected() {
    let mut bench = Bench::new();
    // The head serves a device all the same.
    assert!(!is_connected(&mut bench.adopt(false, true)));
}

#[test]
fn a_refused_accept_is_tried_again_after_a_pause() {
    let path = std::env::temp_dir().join(format!("shoal-accept-{}.sock", std::process::id()));
    let mut bench = Bench::new();
    bench.front.listen(UnixListener::bind(&path).unwrap(), &mut bench.reactor);
    std::fs::remove_file(&path).unwrap();
    assert_eq!((bench.front.next_deadline_us(), bench.reactor.in_flight()), (None, 1));
    bench.front.on_accept(-libc::EMFILE, 1_000, &mut bench.reactor);
    assert_eq!(bench.reactor.in_flight(), 1, "it does not turn in circles");
    let due_us = bench.front.next_deadline_us().unwrap();
    assert_eq!(due_us, 1_000 + ACCEPT_PAUSE_US);
    bench.front.tick(due_us - 1, &mut bench.reactor);
    assert_eq!(bench.reactor.in_flight(), 1);
    bench.front.tick(due_us, &mut bench.reactor);
    assert_eq!((bench.front.next_deadline_us(), bench.reactor.in_flight()), (None, 2));
    bench.front.on_accept(-libc::ENFILE, due_us, &mut bench.reactor);
    bench.front.stop(&mut bench.reactor);
    assert_eq!(bench.front.next_deadline_us(), None, "nobody is accepted any more");
}
