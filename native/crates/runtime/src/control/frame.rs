//! Frames: `u32 LE length | JSON`. One request, answer or event each.

use std::io::{self, Read, Write};

use serde::Deserialize;
use serde_json::{Value, json};

/// Largest frame in bytes, either way.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

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

pub fn write_frame(stream: &mut impl Write, value: &Value) -> io::Result<()> {
    let body = serde_json::to_vec(value)?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame)
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
