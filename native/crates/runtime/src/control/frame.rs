//! Frames: `u32 LE length | JSON`. A request is one frame; an answer or an event that does not fit into
//! one is several, of which all but the last have bit 31 of the length set.

use std::io::{self, Read, Write};

use serde::Deserialize;
use serde_json::{Value, json};

/// Largest frame in bytes, either way.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// Largest answer or event in bytes: above the state of the largest cluster that the limits allow, and
/// below what control can hold as one text.
pub const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// In a frame's length: the message goes on in the next frame.
const MORE: u32 = 1 << 31;

/// A request as control sent it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFrame {
    pub id: u64,
    pub method: String,
    #[serde(default)]
    pub params: Value,
}

/// What went wrong, for a program (`code`, `data`) and for people (`message`).
#[derive(Clone, Debug, PartialEq)]
pub struct ControlError {
    pub code: &'static str,
    pub message: String,
    pub data: Value,
}

impl ControlError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: Value::Null }
    }

    pub fn with(mut self, data: Value) -> Self {
        self.data = data;
        self
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new("bad_request", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new("unavailable", message)
    }

    /// An error of the operating system while doing `what`.
    pub fn io(what: &str, error: &io::Error) -> Self {
        let code = match error.raw_os_error() {
            Some(libc::ENOSPC) => "no_space",
            Some(libc::EBUSY) => "busy",
            Some(libc::ENOENT) => "not_found",
            _ => "io",
        };
        Self::new(code, format!("{what}: {error}"))
    }
}

/// The next whole frame; `Ok(None)` at an orderly end.
pub fn read_frame(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0u8; 4];
    if stream.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..])?;
    let length = u32::from_le_bytes(header) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "control frame is too long"));
    }
    let mut body = Vec::new();
    // `take` grows the buffer as bytes arrive: a length alone allocates nothing.
    stream.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(body))
}

/// One message, in as many frames as it takes. WHAT THE READER WOULD REFUSE IS NOT SENT, for it would
/// end the connection: who asked is told so instead, and an event is left out.
pub fn write_message(stream: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    if body.len() <= MESSAGE_BYTES_MAX {
        return write_frames(stream, &body);
    }
    eprintln!("control: a message of {} bytes is too long to send", body.len());
    match message["id"].as_u64() {
        Some(id) => write_frames(stream, &serde_json::to_vec(&answer(id, Err(too_long(&body))))?),
        None => Ok(()),
    }
}

fn write_frames(stream: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let last = body.len().saturating_sub(1) / FRAME_BYTES_MAX;
    for index in 0..=last {
        let part = &body[index * FRAME_BYTES_MAX..body.len().min((index + 1) * FRAME_BYTES_MAX)];
        let more = if index < last { MORE } else { 0 };
        let mut frame = Vec::with_capacity(4 + part.len());
        frame.extend_from_slice(&(part.len() as u32 | more).to_le_bytes());
        frame.extend_from_slice(part);
        stream.write_all(&frame)?;
    }
    Ok(())
}

fn too_long(body: &[u8]) -> ControlError {
    let message = format!("the answer has {} bytes, which is too long to send", body.len());
    ControlError::new("unsupported", message)
}

pub fn answer(id: u64, outcome: Result<Value, ControlError>) -> Value {
    match outcome {
        Ok(result) => json!({ "id": id, "result": result }),
        Err(error) => json!({
            "id": id,
            "error": { "code": error.code, "message": error.message, "data": error.data },
        }),
    }
}

pub fn event(name: &str, data: Value) -> Value {
    json!({ "event": name, "data": data })
}
