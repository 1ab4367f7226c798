//! The data process' own life: opens stores, takes and gives up heads, tells each thread what the
//! cluster state says, and answers control. It decides nothing that safety rests on: that is the
//! engine's and the cluster state's.

mod announce;
mod authority;
mod close_stores;
mod context;
mod devices;
mod disks;
mod first_look;
mod half_made;
mod heads;
mod kept_map;
mod leave;
mod left_groups;
mod log_marks;
mod membership;
mod memory;
mod methods;
mod notices;
mod pace;
mod params;
mod peer_files;
mod rebuild;
mod reception;
mod recover;
mod rejoins;
mod report;
mod restore;
mod scrubs;
mod session_news;
mod shutdown;
mod stalls;
mod stores;
mod sync;
mod takeover;

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use shoal_meta::hex::Hex;
use shoal_meta::local::Rejoins;
use shoal_types::{DiskId, MapEpoch, PeerId, VolumeId};

pub use context::Context;
use heads::HeadEntry;
pub use membership::become_member;
pub use memory::MEMORY_LEAST;
pub use peer_files::{ClusterFile, Contact, PeerFiles, ScrubLine};
pub use reception::{Reception, StoreDirectory};
use stores::StoreEntry;

use crate::clock;
use crate::control::Call;
use crate::io_thread::HeadNotice;
use crate::store_thread::StoreNotice;

/// How often what did not succeed is tried again.
const TICK: Duration = Duration::from_millis(250);

pub enum Event {
    Control(Call),
    /// The cluster state (or this peer's place in it) changed.
    StateChanged,
    /// The session lease, on the boot clock; 0: over.
    Lease {
        valid_until_us: u64,
    },
    /// A voter asks for the authority's key; or it was given.
    KeyWanted {
        from: PeerId,
    },
    Key {
        seed: Hex<32>,
    },
    Head(HeadNotice),
    Store(DiskId, StoreNotice),
    /// What another thread worked out, for this one to go on with.
    Continue(Box<dyn FnOnce(&mut Supervisor) + Send>),
}

/// Sends events to the supervisor, from any thread.
#[derive(Clone)]
pub struct Inlet(Sender<Event>);

impl Inlet {
    pub fn send(&self, event: Event) {
        // After the end nobody listens, and nothing is owed any more.
        let _nobody_listens = self.0.send(event);
    }

    /// Go on with `next` on the supervisor's thread.
    pub fn go_on(&self, next: impl FnOnce(&mut Supervisor) + Send + 'static) {
        self.send(Event::Continue(Box::new(next)));
    }
}

pub fn inlet() -> (Inlet, Receiver<Event>) {
    let (sender, receiver) = channel();
    (Inlet(sender), receiver)
}

pub struct Supervisor {
    context: Context,
    stores: HashMap<DiskId, StoreEntry>,
    adding: half_made::Adding,
    heads: HashMap<VolumeId, HeadEntry>,
    /// Heads that are being given back, and that nobody here has.
    giving_back: u32,
    /// Disks of which the cluster is being told whether they are down.
    standings_told: BTreeSet<DiskId>,
    devices: devices::Devices,
    next_head_key: u64,
    /// Map epoch whose views the threads were told.
    told_epoch: Option<MapEpoch>,
    lease_until_us: u64,
    scrubs: scrubs::Scrubs,
    /// Set once the process is to end, with its exit code.
    exit: Option<i32>,
    closing: Option<shutdown::Closing>,
    authority: authority::AuthorityKey,
    /// The cluster is being told that this peer is back.
    returning: bool,
    first_look: first_look::FirstLook,
    pace: pace::PaceBook,
    log_watch: log_marks::Watch,
    kept_map: kept_map::KeptMap,
    rejoins: Rejoins,
    session_news: session_news::SessionNews,
}

impl Supervisor {
    pub fn new(context: Context) -> Self {
        Self {
            context,
            stores: HashMap::new(),
            adding: half_made::Adding::default(),
            heads: HashMap::new(),
            giving_back: 0,
            standings_told: BTreeSet::new(),
            devices: devices::Devices::default(),
            next_head_key: 1,
            told_epoch: None,
            lease_until_us: 0,
            scrubs: scrubs::Scrubs::default(),
            exit: None,
            closing: None,
            authority: authority::AuthorityKey::default(),
            returning: false,
            first_look: first_look::FirstLook::default(),
            pace: pace::PaceBook::default(),
            log_watch: log_marks::Watch::default(),
            kept_map: kept_map::KeptMap::default(),
            rejoins: Rejoins::default(),
            session_news: session_news::SessionNews::default(),
        }
    }

    /// Work until the process is to end; gives its exit code.
    pub fn run(mut self, events: &Receiver<Event>) -> i32 {
        self.open_known_disks();
        self.sweep_devices();
        self.sync();
        let mut ticked_ms = 0;
        loop {
            match events.recv_timeout(TICK) {
                Ok(event) => self.on_event(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return 1,
            }
            // Also when events never cease.
            if clock::now_ms() >= ticked_ms + TICK.as_millis() as u64 {
                ticked_ms = clock::now_ms();
                self.tick();
            }
            if self.closing.is_some() {
                self.tick_closing();
            }
            if let Some(code) = self.exit {
                return code;
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Control(call) => self.on_call(call),
            Event::StateChanged => self.sync(),
            Event::Lease { valid_until_us } => self.on_lease(valid_until_us),
            Event::KeyWanted { from } => self.on_key_wanted(from),
            Event::Key { seed } => self.on_key(&seed),
            Event::Head(notice) => self.on_head_notice(notice),
            Event::Store(disk, notice) => self.on_store_notice(disk, notice),
            Event::Continue(next) => next(self),
        }
    }

    fn tick(&mut self) {
        self.retry_heads();
        self.retry_stores();
        self.tell_lost_stores();
        self.drop_left_groups();
        self.refit_stores();
        self.tick_devices();
        self.tick_return();
        self.schedule_scrubs();
        self.tick_authority();
        self.hold_slow_disks();
        self.take_back_stalled();
        self.tick_first_look();
        self.mark_logs();
        self.tick_kept_map();
        self.tick_rejoins();
        self.tell_sessions();
    }

    fn broadcast(&self, name: &str, data: serde_json::Value) {
        self.context.control().broadcast(name, data);
    }
}
