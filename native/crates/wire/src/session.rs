//! A TLS session without a socket: bytes in, bytes out, and who is on the other side.
//!
//! Received bytes go into `space`, then `advance` decrypts them and hands plaintext on; frames go
//! through `seal` into a `SendBuf`. Nothing is handed on before the other side was checked.

mod endpoint;
mod incoming;
mod send_buf;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::sync::Arc;

use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

pub use endpoint::{Endpoint, SessionLimits};
use incoming::Incoming;
pub use send_buf::SendBuf;
use tls::{Tls, Writer};

use crate::frame::Outgoing;
use crate::identity::{PublicKey, certificate};
use crate::trust::{ALPN_JOIN, ALPN_PEER, Dial, MemberKeys, PeerClass};

/// Most bytes of plaintext in one TLS record.
const RECORD_BYTES_MAX: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Handshaking,
    /// The other side is known; frames go both ways.
    Open,
    /// The other side said that it sends no more.
    PeerClosed,
    /// Closed in both directions, or failed: send what is in the buffer, then drop the socket.
    Closed,
}

/// Why a session ended. What the other side may know is already in the `SendBuf` as an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionError {
    Tls(rustls::Error),
    /// More handshake bytes than any right one has.
    HandshakeTooLong {
        max: usize,
    },
    /// The key is not a member's, and it did not come to join.
    Stranger(PublicKey),
    /// The other side does not say that it speaks our protocol.
    Protocol,
    /// The plaintext was refused by whoever got it, who knows why.
    Refused,
    /// Frames were to be sent before the handshake ended, or after the close.
    NotOpen,
}

/// The other side, as of the end of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub key: PublicKey,
    pub class: PeerClass,
}

/// A sink's word that plaintext must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

pub struct TlsSession {
    tls: Tls,
    keys: Arc<MemberKeys>,
    /// Set on the dialling side.
    dial: Option<Dial>,
    limits: SessionLimits,
    deadline_ns: u64,
    incoming: Incoming,
    handshake_bytes: usize,
    status: Status,
    peer: Option<Peer>,
    /// Small parts are gathered here, so that a frame does not cost a record for each of them.
    staging: Vec<u8>,
}

/// What one call into the TLS library came to.
enum Step {
    Again,
    Blocked,
    /// Plaintext waits, but the other side was not checked yet.
    CheckPeer,
    PeerClosed,
    Closed,
}

impl TlsSession {
    pub fn status(&self) -> Status {
        self.status
    }

    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// Whether the set of members has changed against the other side since the handshake.
    pub fn is_revoked(&self) -> bool {
        self.peer.is_some_and(|Peer { key, class }| {
            matches!(class, PeerClass::Member(_)) && self.keys.class_of(key) != class
        })
    }

    /// Whether the handshake did not end in time.
    pub fn is_late(&self, now_ns: u64) -> bool {
        self.status == Status::Handshaking && now_ns >= self.deadline_ns
    }

    /// Where to receive into. Never empty. The memory stays in place until `received`, also while
    /// frames are sealed, so that a receive may be in flight meanwhile.
    pub fn space(&mut self) -> &mut [u8] {
        self.incoming.space()
    }

    /// `count` bytes were received into `space`.
    pub fn received(&mut self, count: usize) {
        self.incoming.received(count);
        if self.status == Status::Handshaking {
            self.handshake_bytes += count;
        }
    }

    /// Copies received bytes in, as many as there is room for, for callers that do not receive in
    /// place. Returns how many it took.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.received(count);
        count
    }

    /// Works off what was received: `sink` gets the plaintext and whose it is, `out` what is to be sent for the
    /// handshake. Also starts a dialled session. After an error, what is in `out` is still to be
    /// sent: it tells the other side.
    pub fn advance(
        &mut self,
        out: &mut SendBuf,
        mut sink: impl FnMut(&Peer, &[u8]) -> Result<(), Refused>,
    ) -> Result<Status, SessionError> {
        if self.status == Status::Closed {
            return Ok(Status::Closed);
        }
        match self.run(out, &mut sink) {
            Ok(()) => Ok(self.status),
            Err(error) => {
                match error {
                    SessionError::Tls(_) => self.tls.flush(out),
                    _ => self.tls.close(&mut self.incoming, out),
                }
                self.status = Status::Closed;
                Err(error)
            }
        }
    }

    /// Encrypts frames. Small parts share records; block data of whole records is read in place.
    pub fn seal(&mut self, frames: &Outgoing, out: &mut SendBuf) -> Result<(), SessionError> {
        if !matches!(self.status, Status::Open | Status::PeerClosed) {
            return Err(SessionError::NotOpen);
        }
        let mut staging = std::mem::take(&mut self.staging);
        let result = self.tls.write(&mut self.incoming, out, &mut |writer, out| {
            for part in frames.parts() {
                seal_part(part, &mut staging, writer, out)?;
            }
            flush(&mut staging, writer, out)
        });
        self.staging = staging;
        result.map_err(SessionError::Tls)
    }

    /// Takes new keys for both directions, under traffic. Needed by no limit (the TLS library keeps
    /// those of AES-GCM by itself), but a long-lived connection may want it.
    pub fn refresh_keys(&mut self, out: &mut SendBuf) -> Result<(), SessionError> {
        if self.status != Status::Open {
            return Err(SessionError::NotOpen);
        }
        self.tls.refresh_keys(&mut self.incoming, out).map_err(SessionError::Tls)
    }

    /// Says that nothing more comes, and ends the session: send what is in `out`, then drop it.
    pub fn close(&mut self, out: &mut SendBuf) {
        if matches!(self.status, Status::Open | Status::PeerClosed) {
            self.tls.close(&mut self.incoming, out);
        }
        self.status = Status::Closed;
    }

    fn run(
        &mut self,
        out: &mut SendBuf,
        sink: &mut impl FnMut(&Peer, &[u8]) -> Result<(), Refused>,
    ) -> Result<(), SessionError> {
        loop {
            if self.status == Status::Handshaking {
                if self.handshake_bytes > self.limits.handshake_bytes_max {
                    let max = self.limits.handshake_bytes_max;
                    return Err(SessionError::HandshakeTooLong { max });
                }
                if !self.tls.is_handshaking() {
                    self.finish_handshake()?;
                }
            }
            // Set by `finish_handshake` alone.
            let peer = self.peer.as_ref();
            let bytes = self.incoming.filled_mut();
            let (discard, step) = match &mut self.tls {
                Tls::Client(tls) => handle(tls.process_tls_records(bytes), peer, out, sink),
                Tls::Server(tls) => handle(tls.process_tls_records(bytes), peer, out, sink),
            };
            self.incoming.discard(discard);
            match step? {
                Step::Again => {}
                Step::CheckPeer => debug_assert!(!self.tls.is_handshaking()),
                Step::Blocked
                    if self.status == Status::Handshaking && !self.tls.is_handshaking() => {}
                Step::Blocked => return Ok(()),
                Step::PeerClosed => self.status = Status::PeerClosed,
                Step::Closed => {
                    self.status = Status::Closed;
                    return Ok(());
                }
            }
        }
    }

    /// WHO IS ON THE OTHER SIDE IS SETTLED HERE, before the first byte of plaintext is handed on.
    /// The set of members is asked once more: it may have changed during the handshake.
    fn finish_handshake(&mut self) -> Result<(), SessionError> {
        let key = self.tls.peer_certificate().and_then(certificate::public_key);
        let key = key.ok_or(SessionError::Protocol)?;
        let joins = match self.tls.alpn() {
            Some(alpn) if alpn == ALPN_PEER => false,
            Some(alpn) if alpn == ALPN_JOIN => true,
            _ => return Err(SessionError::Protocol),
        };
        let class = match (self.dial, joins) {
            // The dialling joiner knows no members: whoever answers must show its credential.
            (Some(Dial::Join), true) => PeerClass::Stranger(key),
            (Some(Dial::Member(expected)), false) if expected == key => self.keys.class_of(key),
            (Some(_), _) => return Err(SessionError::Protocol),
            (None, _) => self.keys.class_of(key),
        };
        let welcome = matches!(class, PeerClass::Member(_)) || joins;
        if !welcome || (self.dial.is_none() && joins && !self.keys.joins_open()) {
            return Err(SessionError::Stranger(key));
        }
        self.peer = Some(Peer { key, class });
        self.status = Status::Open;
        Ok(())
    }
}

/// Gathers small parts, and encrypts whole records of large ones in place.
fn seal_part(
    mut part: &[u8],
    staging: &mut Vec<u8>,
    writer: &mut dyn Writer,
    out: &mut SendBuf,
) -> Result<(), rustls::Error> {
    if part.len() >= RECORD_BYTES_MAX {
        flush(staging, writer, out)?;
        let whole = part.len() - part.len() % RECORD_BYTES_MAX;
        out.encrypt(writer, &part[..whole])?;
        part = &part[whole..];
    }
    while !part.is_empty() {
        let (head, rest) = part.split_at(part.len().min(RECORD_BYTES_MAX - staging.len()));
        staging.extend_from_slice(head);
        part = rest;
        if staging.len() == RECORD_BYTES_MAX {
            flush(staging, writer, out)?;
        }
    }
    Ok(())
}

fn flush(
    staging: &mut Vec<u8>,
    writer: &mut dyn Writer,
    out: &mut SendBuf,
) -> Result<(), rustls::Error> {
    let result = out.encrypt(writer, staging);
    staging.clear();
    result
}

/// Acts on one state of the TLS library; returns how many received bytes are used up.
fn handle<D>(
    status: UnbufferedStatus<'_, '_, D>,
    peer: Option<&Peer>,
    out: &mut SendBuf,
    sink: &mut impl FnMut(&Peer, &[u8]) -> Result<(), Refused>,
) -> (usize, Result<Step, SessionError>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Err(SessionError::Tls(error)),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => match peer {
            None => Ok(Step::CheckPeer),
            Some(peer) => loop {
                match traffic.next_record() {
                    None => break Ok(Step::Again),
                    Some(Err(error)) => break Err(SessionError::Tls(error)),
                    Some(Ok(record)) => {
                        discard += record.discard;
                        if sink(peer, record.payload).is_err() {
                            break Err(SessionError::Refused);
                        }
                    }
                }
            },
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            out.encode(&mut data).map(|()| Step::Again).map_err(SessionError::Tls)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
            Ok(Step::Blocked)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(ConnectionState::Closed) => Ok(Step::Closed),
        // Early data, and states of later versions of the library: never asked for.
        Ok(_) => Err(SessionError::Protocol),
    };
    (discard, step)
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSession({:?}, {:?})", self.status, self.peer)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::HandshakeTooLong { max } => write!(f, "a handshake of more than {max} bytes"),
            Self::Stranger(key) => write!(f, "{key} is not a member"),
            Self::Protocol => write!(f, "the other side does not speak Shoal's protocol"),
            Self::Refused => write!(f, "what the session carried was refused"),
            Self::NotOpen => write!(f, "the session is not open"),
        }
    }
}

impl std::error::Error for SessionError {}
