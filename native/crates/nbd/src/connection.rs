//! The server's side of one connection. Bytes in, requests out; answers in, bytes out.
//!
//! An I/O loop repeats: receive into `recv_targets`, call `received`; take `next_event` until
//! there is none; `reply_*` as answers come; send `slices`, call `advance`; stop when `finished`.

mod replies;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use shoal_types::buffer::BufferPool;

use crate::admission::{Admission, Session};
use crate::constants::{
    FLAG_C_FIXED_NEWSTYLE, FLAG_C_NO_ZEROES, FLAG_FIXED_NEWSTYLE, FLAG_NO_ZEROES, IHAVEOPT,
    NBDMAGIC, cmd,
};
use crate::error::{CloseReason, Errno, Violation};
use crate::export::{Export, Exports, NoExports};
use crate::flights::{Flight, Flights};
use crate::input::Input;
use crate::limits::{Limits, OPTION_BYTES_MAX, OPTION_SKIP_BYTES_MAX, OPTIONS_MAX};
use crate::negotiation::{Negotiation, Next};
use crate::option::OptionHeader;
use crate::outbox::Outbox;
use crate::request::{Event, Header, Request};

pub struct Connection {
    limits: Limits,
    exports: Arc<dyn Exports + Send + Sync>,
    input: Input,
    phase: Phase,
    /// The write whose payload is coming in.
    incoming: Option<Header>,
    out: Outbox,
    flights: Flights,
    events: VecDeque<Event>,
    closing: Option<CloseReason>,
    shutting_down: bool,
    /// Parsing waits for answers to go out. While it does, nothing is received.
    stalled: bool,
}

enum Phase {
    ClientFlags,
    Options(Negotiation),
    Transmission(Session),
}

/// What one step of parsing came to.
enum Step {
    Again,
    NeedBytes,
    Stalled,
}

impl Connection {
    /// A client has connected: it is greeted, and negotiates. Payloads live in memory of `pool`.
    pub fn new(exports: Arc<dyn Exports + Send + Sync>, limits: Limits, pool: BufferPool) -> Self {
        let mut connection = Self::in_phase(Phase::ClientFlags, exports, limits, pool);
        // u64 "NBDMAGIC", u64 "IHAVEOPT", u16 handshake flags
        connection.out.put(18, |buf| {
            buf.put_u64(NBDMAGIC);
            buf.put_u64(IHAVEOPT);
            buf.put_u16(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES);
        });
        connection
    }

    /// The kernel's client, which is told everything over netlink and never negotiates: requests
    /// come at once, without `Event::Opened`.
    pub fn for_kernel(export: Export, limits: Limits, pool: BufferPool) -> Self {
        let session = Session { export, structured: false, block_status: false };
        Self::in_phase(Phase::Transmission(session), Arc::new(NoExports), limits, pool)
    }

    fn in_phase(
        phase: Phase,
        exports: Arc<dyn Exports + Send + Sync>,
        limits: Limits,
        pool: BufferPool,
    ) -> Self {
        Self {
            limits,
            exports,
            input: Input::new(pool),
            phase,
            incoming: None,
            out: Outbox::default(),
            flights: Flights::default(),
            events: VecDeque::new(),
            closing: None,
            shutting_down: false,
            stalled: false,
        }
    }

    /// Where to receive, first part first; one may be empty. `None`: do not receive now. THE
    /// MEMORY STAYS WHERE IT IS, whatever else is called, until `received`, so that a ring may
    /// hold its address; the connection must outlive the operation.
    pub fn recv_targets(&mut self) -> Option<[&mut [MaybeUninit<u8>]; 2]> {
        let open = !self.stalled && self.closing.is_none();
        open.then(|| self.input.targets())
    }

    /// The first part of `recv_targets` that is not empty.
    pub fn recv_target(&mut self) -> Option<&mut [MaybeUninit<u8>]> {
        let [payload, staging] = self.recv_targets()?;
        Some(if payload.is_empty() { staging } else { payload })
    }

    /// `count` bytes came in. Events may have come up.
    ///
    /// # Safety
    /// They must have been written to what `recv_targets` or `recv_target` gave, in its order.
    pub unsafe fn received(&mut self, count: usize) {
        // SAFETY: the caller's word.
        unsafe { self.input.received(count) };
        self.pump();
    }

    /// Takes in a copy of as many of `bytes` as fit; says how many. Zero: not now.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let Some(target) = self.recv_target() else { break };
            let count = target.len().min(bytes.len() - taken);
            for (slot, byte) in target.iter_mut().zip(&bytes[taken..taken + count]) {
                slot.write(*byte);
            }
            // SAFETY: just written.
            unsafe { self.received(count) };
            taken += count;
        }
        taken
    }

    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Fills `slices` with what is to be sent, in order; says how many were filled. THE BYTES
    /// STAY WHERE THEY ARE until `advance`.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.out.slices(slices)
    }

    /// What is to be sent, in order.
    pub fn outgoing(&self) -> impl Iterator<Item = &Bytes> {
        self.out.pieces()
    }

    /// In bytes.
    pub fn outgoing_bytes(&self) -> u64 {
        self.out.bytes()
    }

    /// `count` bytes were sent.
    pub fn advance(&mut self, count: usize) {
        self.out.advance(count);
        self.resume();
    }

    /// The server goes away, or the export does: new requests get ESHUTDOWN, those in flight
    /// are still to be answered, then `finished` says so.
    pub fn shutdown(&mut self) {
        self.shutting_down = true;
    }

    /// Set once the socket is to be closed; what had to be sent before is sent. A loop that
    /// cannot wait for a client which does not read closes on its own.
    pub fn finished(&self) -> Option<CloseReason> {
        let drained = self.flights.is_empty() && self.out.is_empty();
        match self.closing {
            Some(CloseReason::Violation(_)) => self.closing,
            _ if !drained => None,
            Some(reason) => Some(reason),
            None => self.shutting_down.then_some(CloseReason::Shutdown),
        }
    }

    /// Until then a time limit should apply.
    pub fn is_negotiating(&self) -> bool {
        matches!(self.phase, Phase::ClientFlags | Phase::Options(_))
    }

    /// Requests handed out and not answered.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn resume(&mut self) {
        if std::mem::take(&mut self.stalled) {
            self.pump();
        }
    }

    fn pump(&mut self) {
        while self.closing.is_none() && self.input.skipped() {
            match self.step() {
                Ok(Step::Again) => {}
                Ok(Step::NeedBytes) => break,
                Ok(Step::Stalled) => {
                    self.stalled = true;
                    break;
                }
                Err(violation) => self.closing = Some(CloseReason::Violation(violation)),
            }
        }
    }

    fn step(&mut self) -> Result<Step, Violation> {
        match &self.phase {
            Phase::ClientFlags => self.client_flags(),
            Phase::Options(_) => self.option(),
            Phase::Transmission(_) if self.incoming.is_some() => Ok(self.payload()),
            Phase::Transmission(_) => self.request(),
        }
    }

    fn client_flags(&mut self) -> Result<Step, Violation> {
        let Some(raw) = self.input.staged().first_chunk::<4>() else { return Ok(Step::NeedBytes) };
        let flags = u32::from_be_bytes(*raw);
        if flags & !(FLAG_C_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES) != 0 {
            return Err(Violation::UnknownClientFlags(flags));
        }
        self.input.consume(4);
        self.phase = Phase::Options(Negotiation::new(flags));
        Ok(Step::Again)
    }

    fn option(&mut self) -> Result<Step, Violation> {
        let staged = self.input.staged();
        let Some(raw) = staged.first_chunk() else { return Ok(Step::NeedBytes) };
        let header = OptionHeader::parse(raw)?;
        if header.length > OPTION_SKIP_BYTES_MAX {
            return Err(Violation::OptionTooLong(header.length));
        }
        let whole = OptionHeader::BYTES + header.length as usize;
        let looked_at = header.length <= OPTION_BYTES_MAX;
        if looked_at && staged.len() < whole {
            return Ok(Step::NeedBytes);
        }
        if !self.out.is_empty() {
            // The protocol lets a client send an option only after it has read the last answer.
            return Ok(Step::Stalled);
        }
        let Phase::Options(negotiation) = &mut self.phase else { unreachable!("phase of option") };
        negotiation.options += 1;
        if negotiation.options > OPTIONS_MAX {
            return Err(Violation::TooManyOptions);
        }
        let next = if self.shutting_down {
            negotiation.answer_shutdown(header.option, &mut self.out)
        } else if looked_at {
            let data = &staged[OptionHeader::BYTES..whole];
            negotiation.answer(header.option, data, &*self.exports, &mut self.out)
        } else {
            negotiation.answer_too_big(header.option, &mut self.out)
        };
        self.input.skip(whole as u64);
        self.follow(next)
    }

    fn follow(&mut self, next: Next) -> Result<Step, Violation> {
        match next {
            Next::Option => {}
            Next::Transmission(session) => {
                self.events.push_back(Event::Opened(session.export.clone()));
                self.phase = Phase::Transmission(session);
            }
            Next::Goodbye => self.closing = Some(CloseReason::Disconnected),
            Next::Close(violation) => return Err(violation),
        }
        Ok(Step::Again)
    }

    fn request(&mut self) -> Result<Step, Violation> {
        let Some(raw) = self.input.staged().first_chunk() else { return Ok(Step::NeedBytes) };
        let header = Header::parse(raw)?;
        let Phase::Transmission(session) = &self.phase else { unreachable!("phase of request") };
        let admission = session.admit(&header);
        let cost = if admission == Admission::Accept { header.cost() } else { 0 };
        if !self.has_room(cost) {
            return Ok(Step::Stalled);
        }
        self.input.consume(Header::BYTES);
        match admission {
            Admission::Accept if header.command == cmd::WRITE => {
                self.input.begin_payload(header.offset, header.length);
                self.incoming = Some(header);
            }
            Admission::Accept => self.accept(&header, None),
            Admission::Empty => self.answer(&header, Ok(())),
            Admission::Refuse(errno) => {
                self.answer(&header, Err(errno));
                if header.command == cmd::WRITE {
                    self.input.skip(u64::from(header.length));
                }
            }
            Admission::Goodbye => self.closing = Some(CloseReason::Disconnected),
            Admission::Close(violation) => return Err(violation),
        }
        Ok(Step::Again)
    }

    fn has_room(&self, cost: u64) -> bool {
        let held = self.flights.cost() + self.out.cost();
        let idle = self.flights.is_empty() && self.out.is_empty();
        let fits = held.saturating_add(cost) <= self.limits.bytes_max;
        self.flights.len() < self.limits.requests_max && (fits || idle)
    }

    fn payload(&mut self) -> Step {
        let Some(data) = self.input.take_payload() else { return Step::NeedBytes };
        let header = self.incoming.take().expect("a payload has a header");
        self.accept(&header, Some(data));
        Step::Again
    }

    fn accept(&mut self, header: &Header, data: Option<Bytes>) {
        if self.shutting_down {
            return self.answer(header, Err(Errno::Shutdown));
        }
        let tag = self.flights.insert(Flight {
            cookie: header.cookie,
            command: header.command,
            flags: header.flags,
            offset: header.offset,
            length: header.length,
            covered: 0,
            failed: false,
            cost: header.cost(),
        });
        let command = header.hand_out(data);
        let (offset, length) = (header.offset, header.length);
        self.events.push_back(Event::Request(Request { tag, offset, length, command }));
    }
}
