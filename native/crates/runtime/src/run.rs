//! The data process, put together.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use shoal_types::buffer::BufferPool;
use shoal_wire::session::{Endpoint, SessionLimits};
use shoal_wire::trust::MemberKeys;

use crate::config::DataConfig;
use crate::control::ControlServer;
use crate::io_thread::{self, ExportDirectory, IoMessage, IoParts, IoThread};
use crate::metrics::SlowLog;
use crate::peer::{AddressBook, Dialer, LinkMessage, Links, Listener, ReplyPort, TrustRoot};
use crate::ring::{Reactor, Sender, mailbox};
use crate::supervisor::{
    Context, Event, Inlet, MEMORY_LEAST, PeerFiles, Reception, StoreDirectory, Supervisor,
    become_member, inlet,
};
use crate::{clock, machine, meta_thread, process, random, socket_file};

/// Share of the memory budget that payload may keep when it is idle: about what the dirty blocks
/// of all stores take, whose memory comes back at each fold.
const POOL_SHARE: u64 = 4;

/// The whole life of the data process; gives its exit code. An error: it could not start.
pub fn run(config: &str) -> io::Result<i32> {
    stop_on_panic();
    let config = DataConfig::parse(config).map_err(io::Error::other)?;
    shoal_types::checksum::self_test().map_err(io::Error::other)?;
    let _lock = process::lock_directory(&config.dir)?.ok_or_else(|| {
        let dir = config.dir.display();
        io::Error::other(format!("another data process serves {dir}"))
    })?;
    let (inlet, events) = inlet();
    let context = compose(config, &inlet)?;
    let calls = inlet.clone();
    let server = ControlServer::start(&context.config.control_socket, move |call| {
        calls.send(Event::Control(call));
    })?;
    assert!(context.server.set(server).is_ok(), "the control server is set once");
    Ok(Supervisor::new(context).run(&events))
}

/// A BROKEN INVARIANT ENDS THE PROCESS: a thread that is missing would leave requests unanswered,
/// and a started-again process recovers from what is durable. Consensus alone catches panics of its
/// library and is built anew (crate meta); what escapes that ends the process, too.
fn stop_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        if thread::current().name() != Some(meta_thread::NAME) {
            std::process::abort();
        }
    }));
}

fn compose(config: DataConfig, inlet: &Inlet) -> io::Result<Context> {
    let files = PeerFiles::new(&config.dir);
    let identity = files.identity().map_err(io::Error::other)?;
    let keys = MemberKeys::new([]);
    let endpoint = Endpoint::new(&identity, keys.clone(), SessionLimits::default());
    let pool =
        BufferPool::new((config.memory_budget_bytes.unwrap_or(MEMORY_LEAST) / POOL_SHARE) as usize);
    let trust = Arc::new(TrustRoot::new(endpoint, keys, pool.clone()));
    let process: [u8; 16] = random::bytes();
    let cluster = files.cluster().map_err(io::Error::other)?;
    if let Some(file) = &cluster {
        become_member(&trust, file, process).map_err(io::Error::other)?;
    }
    let book = Arc::new(AddressBook::default());
    let dialer = Arc::new(Dialer::new(trust.clone()));
    let meta = meta_thread::start(meta_thread::MetaStart {
        dir: files.meta_dir(),
        cluster,
        process,
        lease_ms: config.lease_ms,
        book: book.clone(),
        dialer: dialer.clone(),
        inlet: inlet.clone(),
    })?;
    let stores = Arc::new(StoreDirectory::default());
    let reception = Reception {
        stores: stores.clone(),
        meta: meta.clone(),
        inlet: inlet.clone(),
        refused: Mutex::default(),
    };
    let listener = Listener::start(&config.listen, trust.clone(), Arc::new(reception))?;
    let mut context = Context {
        files,
        inlet: inlet.clone(),
        trust,
        book,
        dialer,
        meta,
        io_threads: Vec::new(),
        directory: Arc::new(ExportDirectory::default()),
        stores,
        slow: Arc::new(SlowLog::default()),
        pool,
        listening: listener.address,
        process,
        started_at_ms: clock::wall_ms(),
        server: OnceLock::new(),
        machine_memory: machine::memory_bytes(),
        config,
    };
    context.io_threads = start_io_threads(&context)?;
    Ok(context)
}

fn start_io_threads(context: &Context) -> io::Result<Vec<Sender<IoMessage>>> {
    let count = context.config.io_threads;
    let boxes = (0..count).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?;
    let senders: Vec<Sender<IoMessage>> = boxes.iter().map(|(sender, _)| sender.clone()).collect();
    for (index, (sender, inbox)) in boxes.into_iter().enumerate() {
        let port: ReplyPort = Arc::new(move |message: LinkMessage| {
            sender.send(IoMessage::Link(message));
        });
        let links = Links::new(port, context.book.clone(), context.dialer.clone());
        let inlet = context.inlet.clone();
        let (threads, directory) = (senders.clone(), context.directory.clone());
        let (pool, slow) = (context.pool.clone(), context.slow.clone());
        thread::Builder::new().name(format!("io-{index}")).spawn(move || {
            // A ring belongs to the thread that makes it.
            let reactor = Reactor::new(io_thread::RING_ENTRIES, inbox.wake_fd())
                .expect("io_uring is needed: kernel.io_uring_disabled must be 0");
            let notices = Arc::new(move |notice| inlet.send(Event::Head(notice)));
            let parts =
                IoParts { index, reactor, inbox, threads, directory, pool, links, notices, slow };
            IoThread::new(parts).run();
        })?;
    }
    let listener = socket_file::listen(&context.config.nbd_socket, context.config.nbd_socket_mode)?;
    senders[0].send(IoMessage::Listen(listener));
    Ok(senders)
}
