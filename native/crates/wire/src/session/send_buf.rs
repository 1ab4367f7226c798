//! Ciphertext on its way out.

use rustls::Error;
use rustls::unbuffered::{EncodeError, EncodeTlsData, EncryptError};

use super::tls::Writer;

/// TLS adds this much to a record, at most: header, content type, tag.
const RECORD_OVERHEAD_BYTES: usize = 22;
/// Room for what the TLS library may put before the data, such as a key update.
const SLACK_BYTES: usize = 128;

/// Filled by sessions and emptied by the socket's owner. Kept between uses, its memory is neither
/// allocated nor cleared again. While a send from it is in flight it must not be filled: use two
/// in turn.
#[derive(Debug, Default)]
pub struct SendBuf {
    /// Initialised up to its whole length; `end` says how much of it means something.
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl SendBuf {
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be sent.
    pub fn filled(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `count` bytes were sent.
    pub fn sent(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.end, "more sent than there is");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Gives memory above `bytes` back, once all is sent: after a burst of large payloads.
    pub fn shrink(&mut self, bytes: usize) {
        if self.is_empty() && self.memory.len() > bytes {
            self.memory = Vec::new();
        }
    }

    pub(super) fn encrypt(&mut self, writer: &mut dyn Writer, data: &[u8]) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        let records = data.len().div_ceil(super::RECORD_BYTES_MAX);
        self.reserve(data.len() + records * RECORD_OVERHEAD_BYTES + SLACK_BYTES);
        loop {
            match writer.encrypt(data, &mut self.memory[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(EncryptError::InsufficientSize(error)) => self.reserve(error.required_size),
                Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
            }
        }
    }

    pub(super) fn close(&mut self, writer: &mut dyn Writer) -> Result<(), Error> {
        self.reserve(SLACK_BYTES);
        loop {
            match writer.close_notify(&mut self.memory[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(EncryptError::InsufficientSize(error)) => self.reserve(error.required_size),
                Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
            }
        }
    }

    pub(super) fn encode<D>(&mut self, data: &mut EncodeTlsData<'_, D>) -> Result<(), Error> {
        loop {
            match data.encode(&mut self.memory[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(EncodeError::InsufficientSize(error)) => self.reserve(error.required_size),
                Err(EncodeError::AlreadyEncoded) => return Ok(()),
            }
        }
    }

    fn reserve(&mut self, bytes: usize) {
        if self.memory.len() - self.end < bytes {
            self.memory.resize(self.end + bytes, 0);
        }
    }
}
