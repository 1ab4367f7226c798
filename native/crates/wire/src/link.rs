//! A connection from its first byte to its last: TLS session, hello, then frames of one purpose.
//! Sans-IO: the owner of the socket receives into `space`, calls `advance`, and sends what is in
//! the `SendBuf`.

#[cfg(test)]
mod tests;

use std::fmt;

use shoal_types::buffer::BufferPool;

use crate::codec::CodecError;
use crate::frame::{Frame, FrameDecoder, FrameError, Gate, Header, Kind, Outgoing, flags};
use crate::hello::{
    Greeter, Greeting, Hello, HelloRefusal, HelloReply, Purpose, check_reply, negotiate,
};
use crate::service::GoawayReason;
use crate::session::{Endpoint, Peer, Refused, SendBuf, SessionError, Status, TlsSession};
use crate::trust::Dial;
use crate::{Malformed, service};

/// What the owner of a link does with what arrives.
pub trait LinkHandler {
    /// Whether an accepted connection's purpose (its store, the voter's role) is served here now.
    fn serves(&mut self, greeting: &Greeting) -> bool;

    /// A frame of the connection's purpose, or a pong (pings are answered by the link itself). An
    /// error closes the connection.
    fn frame(&mut self, greeting: &Greeting, frame: Frame<'_>) -> Result<(), CodecError>;
}

/// Why a connection ended otherwise than by a goodbye.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkError {
    Session(SessionError),
    Frame(FrameError),
    Hello(Malformed),
    /// The other side refuses us, or we refuse it (it was told).
    Refused(HelloRefusal),
    Message(CodecError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStatus {
    /// TLS or hello is under way.
    Greeting,
    /// Frames go both ways.
    Open,
    /// No more will come: drop the socket once the buffer is sent.
    Closed,
}

pub struct Link {
    session: TlsSession,
    greeted: Greeted,
    deadline_ns: u64,
    /// Hello and reply wait here for the session to be free to seal them.
    pending: Outgoing,
}

/// The part of a link that plaintext goes to.
struct Greeted {
    decoder: FrameDecoder,
    greeter: Greeter,
    role: Role,
    greeting: Option<Greeting>,
    credential: Vec<u8>,
    goaway: Option<GoawayReason>,
    error: Option<LinkError>,
}

enum Role {
    /// With the hello that we say.
    Dialler(Hello),
    Acceptor,
}

impl Link {
    /// Dials; `advance` gives the first bytes to send.
    pub fn dial(
        endpoint: &Endpoint,
        dial: Dial,
        greeter: Greeter,
        purpose: Purpose,
        pool: BufferPool,
        now_ns: u64,
    ) -> Self {
        let hello = greeter.hello(purpose);
        let session = endpoint.dial(dial, now_ns);
        let decoder = FrameDecoder::new(Gate::HELLO_REPLY, pool);
        Self::new(session, decoder, greeter, Role::Dialler(hello), Vec::new())
    }

    /// Accepts; `credential` is our membership record, shown to those who come to join.
    pub fn accept(
        endpoint: &Endpoint,
        greeter: Greeter,
        credential: Vec<u8>,
        pool: BufferPool,
        now_ns: u64,
    ) -> Self {
        let session = endpoint.accept(now_ns);
        let decoder = FrameDecoder::new(Gate::HELLO, pool);
        Self::new(session, decoder, greeter, Role::Acceptor, credential)
    }

    fn new(
        session: TlsSession,
        decoder: FrameDecoder,
        greeter: Greeter,
        role: Role,
        credential: Vec<u8>,
    ) -> Self {
        let deadline_ns = session.deadline_ns();
        let (greeting, goaway, error) = (None, None, None);
        let greeted = Greeted { decoder, greeter, role, greeting, credential, goaway, error };
        Self { session, greeted, deadline_ns, pending: Outgoing::new() }
    }

    /// What both sides agreed on, once they did.
    pub fn greeting(&self) -> Option<&Greeting> {
        self.greeted.greeting.as_ref()
    }

    /// The other side's key and class, once the handshake ended.
    pub fn peer(&self) -> Option<Peer> {
        self.session.peer()
    }

    /// What the answering side of a join showed; `JoinToken::vouches_for` judges it.
    pub fn credential(&self) -> &[u8] {
        &self.greeted.credential
    }

    /// Why the other side said that it will close, if it did.
    pub fn goaway(&self) -> Option<GoawayReason> {
        self.greeted.goaway
    }

    pub fn status(&self) -> LinkStatus {
        match (self.session.status(), &self.greeted.greeting) {
            (Status::PeerClosed | Status::Closed, _) => LinkStatus::Closed,
            (Status::Open, Some(_)) => LinkStatus::Open,
            _ => LinkStatus::Greeting,
        }
    }

    /// Whether TLS and hello did not end in time.
    pub fn is_late(&self, now_ns: u64) -> bool {
        self.status() == LinkStatus::Greeting && now_ns >= self.deadline_ns
    }

    /// Whether the other side was removed from the members since.
    pub fn is_revoked(&self) -> bool {
        self.session.is_revoked()
    }

    /// Whether the connection ended inside a frame: the other side did not close it on purpose.
    pub fn is_cut(&self) -> bool {
        self.greeted.decoder.is_inside_frame() || self.session.status() != Status::PeerClosed
    }

    pub fn space(&mut self) -> &mut [u8] {
        self.session.space()
    }

    pub fn received(&mut self, count: usize) {
        self.session.received(count);
    }

    /// See `TlsSession::feed`.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        self.session.feed(bytes)
    }

    /// Works off what was received. After an error, what is in `out` is still to be sent.
    pub fn advance(
        &mut self,
        out: &mut SendBuf,
        handler: &mut impl LinkHandler,
    ) -> Result<LinkStatus, LinkError> {
        let before = self.session.status();
        let (greeted, pending) = (&mut self.greeted, &mut self.pending);
        let sink = |peer: &Peer, plain: &[u8]| greeted.plaintext(peer, plain, pending, handler);
        let advanced = self.session.advance(out, sink);
        if before == Status::Handshaking
            && matches!(self.session.status(), Status::Open | Status::PeerClosed)
            && let Role::Dialler(hello) = &self.greeted.role
        {
            push(&mut self.pending, Kind::Hello, &hello.encode());
        }
        match advanced {
            Ok(_) => {}
            Err(SessionError::Refused) => return Err(self.stopped()),
            Err(error) => return Err(LinkError::Session(error)),
        }
        self.send_pending(out)?;
        if let Some(error) = self.greeted.error.take() {
            self.session.close(out);
            return Err(error);
        }
        Ok(self.status())
    }

    /// Encrypts frames of the connection's purpose.
    pub fn seal(&mut self, frames: &Outgoing, out: &mut SendBuf) -> Result<(), LinkError> {
        if self.greeted.greeting.is_none() {
            return Err(LinkError::Session(SessionError::NotOpen));
        }
        self.session.seal(frames, out).map_err(LinkError::Session)
    }

    /// Says why, and closes.
    pub fn close(&mut self, reason: GoawayReason, out: &mut SendBuf) {
        if self.status() == LinkStatus::Open {
            self.pending.clear();
            service::goaway(&mut self.pending, reason);
            // A session that cannot say goodbye is closed all the same.
            let _courtesy = self.send_pending(out);
        }
        self.session.close(out);
    }

    fn send_pending(&mut self, out: &mut SendBuf) -> Result<(), LinkError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let sealed = self.session.seal(&self.pending, out);
        self.pending.clear();
        sealed.map_err(LinkError::Session)
    }

    fn stopped(&mut self) -> LinkError {
        self.greeted.error.take().expect("whoever refuses plaintext leaves the reason")
    }
}

impl Greeted {
    fn plaintext(
        &mut self,
        peer: &Peer,
        mut plain: &[u8],
        pending: &mut Outgoing,
        handler: &mut impl LinkHandler,
    ) -> Result<(), Refused> {
        // After a refusal that is still to be told, nothing more is looked at.
        while self.error.is_none() {
            match self.next(peer, &mut plain, pending, handler) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.error = Some(error);
                    return Err(Refused);
                }
            }
        }
        Ok(())
    }

    /// Whether there was a whole frame.
    fn next(
        &mut self,
        peer: &Peer,
        plain: &mut &[u8],
        pending: &mut Outgoing,
        handler: &mut impl LinkHandler,
    ) -> Result<bool, LinkError> {
        let Some(frame) = self.decoder.next(plain).map_err(LinkError::Frame)? else {
            return Ok(false);
        };
        match (&self.greeting, frame.header.kind) {
            (_, Kind::Goaway) => {
                let reason = GoawayReason::decode(frame.meta).map_err(LinkError::Hello)?;
                self.goaway = Some(reason);
            }
            (Some(_), Kind::Ping) => service::pong(pending, frame.header.request_id),
            (Some(greeting), kind) => {
                handler.frame(greeting, frame).map_err(LinkError::Message)?;
                if matches!(kind, Kind::Join | Kind::JoinReply) {
                    self.decoder.set_gate(Gate::GOODBYE);
                }
            }
            (None, Kind::Hello) => {
                let hello = Hello::decode(frame.meta).map_err(LinkError::Hello)?;
                self.answer(&hello, peer, pending, handler);
            }
            (None, _) => {
                let reply = HelloReply::decode(frame.meta).map_err(LinkError::Hello)?;
                self.agree(reply, peer)?;
            }
        }
        Ok(true)
    }

    /// The accepting side judges a hello. A refusal is told before the connection is closed.
    fn answer(
        &mut self,
        hello: &Hello,
        peer: &Peer,
        pending: &mut Outgoing,
        handler: &mut impl LinkHandler,
    ) {
        let outcome = negotiate(&self.greeter, hello, &peer.class).and_then(|greeting| {
            if handler.serves(&greeting) { Ok(greeting) } else { Err(HelloRefusal::NotServed) }
        });
        // Only those who come to join need to be shown who we are.
        let joins = hello.purpose == Purpose::Join;
        let credential = if joins { self.credential.clone() } else { Vec::new() };
        let reply = self.greeter.reply(&outcome, credential);
        push(pending, Kind::HelloReply, &reply.encode());
        match outcome {
            Ok(greeting) => {
                self.decoder.set_gate(greeting.purpose.gate());
                self.greeting = Some(greeting);
            }
            Err(refusal) => self.error = Some(LinkError::Refused(refusal)),
        }
    }

    /// The dialling side checks the reply to its hello.
    fn agree(&mut self, reply: HelloReply, peer: &Peer) -> Result<(), LinkError> {
        let Role::Dialler(hello) = &self.role else {
            return Err(LinkError::Frame(FrameError::KindRefused(Kind::HelloReply)));
        };
        let greeting =
            check_reply(&self.greeter, hello, &reply, &peer.class).map_err(LinkError::Refused)?;
        if let HelloReply::Accepted { credential, .. } = reply {
            self.credential = credential;
        }
        self.decoder.set_gate(greeting.purpose.dialler_gate());
        self.greeting = Some(greeting);
        Ok(())
    }
}

fn push(out: &mut Outgoing, kind: Kind, meta: &[u8]) {
    let flags = if kind == Kind::HelloReply { flags::REPLY } else { 0 };
    out.push(Header { flags, ..Header::new(kind, 0) }, meta).expect("a hello is short");
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({:?}, {:?})", self.status(), self.greeting())
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::Hello(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Message(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}
