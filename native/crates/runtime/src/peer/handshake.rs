//! The beginning of a connection, on a thread of its own with blocking reads and a time limit.
//! Whatever fails here costs nobody else anything.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use shoal_wire::codec::CodecError;
use shoal_wire::frame::{Frame, Header, Kind, Outgoing};
use shoal_wire::hello::{Greeting, Purpose};
use shoal_wire::link::{Link, LinkError, LinkHandler, LinkStatus};
use shoal_wire::session::SendBuf;
use shoal_wire::trust::Dial;

use super::established::{EarlyFrame, Established};
use super::socket_options::set_options;
use super::trust_root::{Membership, TrustRoot};
use crate::clock;

/// Longest silence during a handshake.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Longest time from the hello to the frame that must follow it: one byte now and then would hold
/// a place for ever.
const FRAME_MAX_NS: u64 = 5_000_000_000;

#[derive(Debug)]
pub enum HandshakeError {
    Io(io::Error),
    Link(LinkError),
    /// The other side closed in the middle.
    Ended,
    TooSlow,
}

/// A connection in its first phase.
pub struct Handshake {
    socket: TcpStream,
    pub link: Link,
    out: SendBuf,
    frames: VecDeque<EarlyFrame>,
}

/// Decides by `serves`, keeps the frames that come with the end of the hello.
struct Desk<'a> {
    serves: &'a mut dyn FnMut(Purpose) -> bool,
    frames: &'a mut VecDeque<EarlyFrame>,
}

impl LinkHandler for Desk<'_> {
    fn serves(&mut self, greeting: &Greeting) -> bool {
        (self.serves)(greeting.purpose)
    }

    fn frame(&mut self, _: &Greeting, frame: Frame<'_>) -> Result<(), CodecError> {
        self.frames.push_back(EarlyFrame::of(&frame));
        Ok(())
    }
}

impl Handshake {
    pub fn dial(
        socket: TcpStream,
        trust: &TrustRoot,
        dial: Dial,
        membership: &Membership,
        purpose: Purpose,
    ) -> Result<Self, HandshakeError> {
        let pool = trust.pool.clone();
        let greeter = membership.greeter;
        let link = Link::dial(&trust.endpoint, dial, greeter, purpose, pool, now_ns());
        Self::new(socket, link)?.open(&mut |_| false)
    }

    /// `serves`: whether this purpose is served here now.
    pub fn accept(
        socket: TcpStream,
        trust: &TrustRoot,
        membership: &Membership,
        mut serves: impl FnMut(Purpose) -> bool,
    ) -> Result<Self, HandshakeError> {
        let pool = trust.pool.clone();
        let (greeter, credential) = (membership.greeter, membership.credential.clone());
        let link = Link::accept(&trust.endpoint, greeter, credential, pool, now_ns());
        Self::new(socket, link)?.open(&mut serves)
    }

    fn new(socket: TcpStream, link: Link) -> io::Result<Self> {
        set_options(&socket)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        socket.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self { socket, link, out: SendBuf::new(), frames: VecDeque::new() })
    }

    fn open(mut self, serves: &mut dyn FnMut(Purpose) -> bool) -> Result<Self, HandshakeError> {
        while self.advance(serves)? != LinkStatus::Open {
            self.read()?;
        }
        Ok(self)
    }

    fn advance(
        &mut self,
        serves: &mut dyn FnMut(Purpose) -> bool,
    ) -> Result<LinkStatus, HandshakeError> {
        let mut desk = Desk { serves, frames: &mut self.frames };
        let advanced = self.link.advance(&mut self.out, &mut desk);
        // Also after an error: it tells the other side why.
        self.flush()?;
        match advanced? {
            LinkStatus::Closed => Err(HandshakeError::Ended),
            status => Ok(status),
        }
    }

    pub fn send(&mut self, kind: Kind, meta: &[u8]) -> Result<(), HandshakeError> {
        let mut frames = Outgoing::new();
        frames.push(Header::new(kind, 0), meta).expect("greetings are short");
        self.link.seal(&frames, &mut self.out)?;
        self.flush()
    }

    /// The next frame's meta, if it is of this kind.
    pub fn receive(&mut self, kind: Kind) -> Result<Vec<u8>, HandshakeError> {
        self.receive_within(kind, FRAME_MAX_NS)
    }

    fn receive_within(&mut self, kind: Kind, limit_ns: u64) -> Result<Vec<u8>, HandshakeError> {
        let deadline_ns = now_ns() + limit_ns;
        loop {
            match self.frames.pop_front() {
                Some(frame) if frame.kind == kind => return Ok(frame.meta),
                Some(_) => {}
                None if now_ns() >= deadline_ns => return Err(HandshakeError::TooSlow),
                None => {
                    self.read()?;
                    self.advance(&mut |_| false)?;
                }
            }
        }
    }

    fn read(&mut self) -> Result<(), HandshakeError> {
        if self.link.is_late(now_ns()) {
            return Err(HandshakeError::TooSlow);
        }
        match self.socket.read(self.link.space())? {
            0 => Err(HandshakeError::Ended),
            count => {
                self.link.received(count);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), HandshakeError> {
        let bytes = self.out.filled();
        self.socket.write_all(bytes)?;
        let count = bytes.len();
        self.out.sent(count);
        Ok(())
    }

    pub fn greeting(&self) -> Greeting {
        *self.link.greeting().expect("a handshake that is returned is open")
    }

    /// Hand over to a ring thread.
    pub fn finish(self) -> io::Result<Established> {
        self.socket.set_read_timeout(None)?;
        self.socket.set_write_timeout(None)?;
        let greeting = self.greeting();
        let Self { socket, link, out, frames } = self;
        let early = frames.into();
        Ok(Established { socket: OwnedFd::from(socket), link, greeting, unsent: out, early })
    }
}

fn now_ns() -> u64 {
    clock::now_us() * 1_000
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TooSlow,
            _ => Self::Io(error),
        }
    }
}

impl From<LinkError> for HandshakeError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
            Self::Ended => write!(f, "the other side closed"),
            Self::TooSlow => write!(f, "the other side does not answer"),
        }
    }
}
