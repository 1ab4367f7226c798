//! Answers to requests, in any order. Each request gets exactly one answer; a read may get it
//! in chunks. Answers after the connection has failed are dropped.

use crate::connection::{Connection, Phase};
use crate::constants::{cmd, cmd_flag};
use crate::error::{CloseReason, Errno};
use crate::reply::{self, Extent, ReadPart};
use crate::request::{Header, Tag};

impl Connection {
    /// Success of anything but a read or a block status query.
    pub fn reply_ok(&mut self, tag: Tag) {
        let flight = self.flights.remove(tag);
        let with_content = matches!(flight.command, cmd::READ | cmd::BLOCK_STATUS);
        assert!(!with_content, "{tag:?} is answered with content");
        self.send_result(flight.cookie, flight.command, Ok(()));
        self.resume();
    }

    pub fn reply_error(&mut self, tag: Tag, errno: Errno) {
        let flight = self.flights.remove(tag);
        // ENOTSUP means "not fast" and is only for those who asked.
        let asked_fast = flight.flags & cmd_flag::FAST_ZERO != 0;
        let unasked = errno == Errno::NotSupported && !asked_fast;
        let errno = if unasked { Errno::Invalid } else { errno };
        self.send_result(flight.cookie, flight.command, Err(errno));
        self.resume();
    }

    /// All that was read, in order of offset, exactly as long as the request. No byte is copied.
    pub fn reply_read(&mut self, tag: Tag, parts: Vec<ReadPart>) {
        let flight = self.flights.remove(tag);
        let length: u64 = parts.iter().map(ReadPart::len).sum();
        let untouched = flight.command == cmd::READ && flight.covered == 0 && !flight.failed;
        assert!(untouched, "{tag:?} is not a fresh read");
        assert_eq!(length, u64::from(flight.length), "{tag:?} is answered whole");
        if self.is_sending() {
            if self.structured() {
                let whole = flight.flags & cmd_flag::DF != 0;
                let form = (whole, true);
                reply::read_chunks(&mut self.out, flight.cookie, flight.offset, parts, form);
            } else {
                reply::simple_read(&mut self.out, flight.cookie, parts);
            }
        }
        self.resume();
    }

    /// Whether this read may be answered in chunks; if not, `reply_read` is the only way.
    pub fn can_chunk(&mut self, tag: Tag) -> bool {
        let flight = self.flights.get_mut(tag);
        let read = flight.command == cmd::READ && flight.flags & cmd_flag::DF == 0;
        read && self.structured()
    }

    /// Part of a read, while the rest is still on its way. Parts must not overlap.
    pub fn read_chunk(&mut self, tag: Tag, offset: u64, part: ReadPart) {
        assert!(self.can_chunk(tag), "{tag:?} is answered whole");
        let flight = self.flights.get_mut(tag);
        let end = offset + part.len();
        let inside = offset >= flight.offset && end <= flight.offset + u64::from(flight.length);
        assert!(inside, "{tag:?}: chunk {offset}..{end} is outside the request");
        flight.covered += part.len();
        // What is queued counts there from now on.
        let cost = part.len().min(flight.cost);
        flight.cost -= cost;
        let cookie = flight.cookie;
        self.flights.refund(cost);
        if self.is_sending() {
            let form = (false, false);
            reply::read_chunks(&mut self.out, cookie, offset, vec![part], form);
        }
    }

    /// The bytes from `offset` on could not be read; other parts of the answer stay valid.
    pub fn read_chunk_error(&mut self, tag: Tag, offset: u64, errno: Errno) {
        assert!(self.can_chunk(tag), "{tag:?} is answered whole");
        let flight = self.flights.get_mut(tag);
        let inside = offset.checked_sub(flight.offset);
        let inside = inside.is_some_and(|from| from < u64::from(flight.length));
        assert!(inside, "{tag:?}: {offset} is outside the request");
        flight.failed = true;
        let cookie = flight.cookie;
        if self.is_sending() {
            reply::error_at(&mut self.out, cookie, errno, offset);
        }
    }

    /// Ends an answer given in chunks: all is there, or an error was among them.
    pub fn reply_done(&mut self, tag: Tag) {
        let flight = self.flights.remove(tag);
        let complete = flight.covered == u64::from(flight.length);
        assert!(complete || flight.failed, "{tag:?} is not complete");
        if self.is_sending() {
            reply::done(&mut self.out, flight.cookie);
        }
        self.resume();
    }

    /// Allocation from the request's offset on: at least one extent; what lies beyond the
    /// request is cut off, and a list that ends early makes the client ask again.
    pub fn reply_block_status(&mut self, tag: Tag, extents: &[Extent]) {
        let flight = self.flights.remove(tag);
        assert_eq!(flight.command, cmd::BLOCK_STATUS, "{tag:?}");
        if self.is_sending() {
            let one = flight.flags & cmd_flag::REQ_ONE != 0;
            reply::block_status(&mut self.out, &flight, one, extents);
        }
        self.resume();
    }

    /// Answers a request that is never handed out.
    pub(super) fn answer(&mut self, header: &Header, result: Result<(), Errno>) {
        self.send_result(header.cookie, header.command, result);
    }

    fn send_result(&mut self, cookie: u64, command: u16, result: Result<(), Errno>) {
        if !self.is_sending() {
            return;
        }
        let structured = self.structured();
        match result {
            // Four bytes less than a chunk, and allowed where there is no content.
            Ok(()) if !(structured && command == cmd::READ) => {
                reply::simple(&mut self.out, cookie, 0);
            }
            Ok(()) => reply::done(&mut self.out, cookie),
            Err(errno) if structured => reply::error(&mut self.out, cookie, errno),
            Err(errno) => reply::simple(&mut self.out, cookie, errno.code()),
        }
    }

    fn is_sending(&self) -> bool {
        !matches!(self.closing, Some(CloseReason::Violation(_)))
    }

    fn structured(&self) -> bool {
        match &self.phase {
            Phase::Transmission(session) => session.structured,
            Phase::ClientFlags | Phase::Options(_) => false,
        }
    }
}
