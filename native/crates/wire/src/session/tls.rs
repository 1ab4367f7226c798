//! The two ends of the TLS library's unbuffered interface as one type. THE SEAM for a record layer
//! of our own: once the handshake has ended, records are made through `Writer` alone and opened
//! where `process_tls_records` is called.

use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus, WriteTraffic};

use super::SendBuf;
use super::incoming::Incoming;

pub enum Tls {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// Makes records.
pub trait Writer {
    fn encrypt(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize, EncryptError>;
    fn close_notify(&mut self, out: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<D> Writer for WriteTraffic<'_, D> {
    fn encrypt(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::encrypt(self, data, out)
    }

    fn close_notify(&mut self, out: &mut [u8]) -> Result<usize, EncryptError> {
        self.queue_close_notify(out)
    }
}

type Write<'a> = dyn FnMut(&mut dyn Writer, &mut SendBuf) -> Result<(), Error> + 'a;

impl Tls {
    pub fn is_handshaking(&self) -> bool {
        match self {
            Self::Client(tls) => tls.is_handshaking(),
            Self::Server(tls) => tls.is_handshaking(),
        }
    }

    /// The one certificate that the other side showed.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = match self {
            Self::Client(tls) => tls.peer_certificates(),
            Self::Server(tls) => tls.peer_certificates(),
        };
        chain.and_then(|chain| chain.first()).map(|certificate| &certificate[..])
    }

    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Client(tls) => tls.alpn_protocol(),
            Self::Server(tls) => tls.alpn_protocol(),
        }
    }

    /// Gets to where records can be written, and writes them. What the library itself has to send
    /// first (an answer to a key update) goes out before.
    ///
    /// THE LIBRARY MUST SEE THE SAME RECEIVED BYTES AS BEFORE: it keeps offsets into them while a
    /// handshake message is incomplete, and panics when they are gone.
    pub fn write(
        &mut self,
        seen: &mut Incoming,
        out: &mut SendBuf,
        write: &mut Write<'_>,
    ) -> Result<(), Error> {
        loop {
            let bytes = seen.seen_mut();
            let (discard, written) = match self {
                Self::Client(tls) => step(tls.process_tls_records(bytes), out, write),
                Self::Server(tls) => step(tls.process_tls_records(bytes), out, write),
            };
            seen.discard(discard);
            if written? {
                return Ok(());
            }
        }
    }

    /// Asks for new keys in both directions: ours from the next record on, theirs when they answer.
    /// The library does the same by itself before a key has sealed as much as AES-GCM allows.
    pub fn refresh_keys(&mut self, seen: &mut Incoming, out: &mut SendBuf) -> Result<(), Error> {
        self.write(seen, out, &mut |_, _| Ok(()))?;
        match self {
            Self::Client(tls) => refresh(tls.process_tls_records(seen.seen_mut()))?,
            Self::Server(tls) => refresh(tls.process_tls_records(seen.seen_mut()))?,
        }
        self.flush(out);
        Ok(())
    }

    /// Says goodbye on a session that is whole. Plaintext that nobody took is dropped.
    pub fn close(&mut self, seen: &mut Incoming, out: &mut SendBuf) {
        if self.write(seen, out, &mut |writer, out| out.close(writer)).is_err() {
            self.flush(out);
        }
    }

    /// What the library has ready to be sent, and nothing else: after its own error, the alert. IT
    /// MUST NOT LOOK AT RECEIVED BYTES AGAIN: it would fail on them twice, and assert.
    pub fn flush(&mut self, out: &mut SendBuf) {
        let mut nothing = |_: &mut dyn Writer, _: &mut SendBuf| Ok(());
        while self.wants_write() {
            let (_, sent) = match self {
                Self::Client(tls) => step(tls.process_tls_records(&mut []), out, &mut nothing),
                Self::Server(tls) => step(tls.process_tls_records(&mut []), out, &mut nothing),
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn wants_write(&self) -> bool {
        match self {
            Self::Client(tls) => tls.wants_write(),
            Self::Server(tls) => tls.wants_write(),
        }
    }
}

/// The state is known to be the one that writes: `write` just left it there.
fn refresh<D>(status: UnbufferedStatus<'_, '_, D>) -> Result<(), Error> {
    debug_assert_eq!(status.discard, 0);
    match status.state? {
        ConnectionState::WriteTraffic(writer) => writer.refresh_traffic_keys(),
        _ => Err(Error::HandshakeNotComplete),
    }
}

/// Whether `write` was called; an error where nothing can be written.
fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    out: &mut SendBuf,
    write: &mut Write<'_>,
) -> (usize, Result<bool, Error>) {
    let mut discard = status.discard;
    let written = match status.state {
        Err(error) => Err(error),
        Ok(ConnectionState::EncodeTlsData(mut data)) => out.encode(&mut data).map(|()| false),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(false)
        }
        Ok(ConnectionState::WriteTraffic(mut writer)) => write(&mut writer, out).map(|()| true),
        Ok(ConnectionState::PeerClosed) => Ok(false),
        // Only on the way to a close: `advance` leaves no plaintext behind.
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            while let Some(Ok(record)) = traffic.next_record() {
                discard += record.discard;
            }
            Ok(false)
        }
        Ok(_) => Err(Error::HandshakeNotComplete),
    };
    (discard, written)
}
