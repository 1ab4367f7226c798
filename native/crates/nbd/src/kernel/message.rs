//! Generic netlink messages: built and read as bytes, in the byte order of the host.
//!
//! ```text
//! u32 length   of the whole message      \
//! u16 type     family id, or 2 = error    |
//! u16 flags                               | netlink header
//! u32 sequence                            |
//! u32 port                               /
//! u8  command                            \
//! u8  version                             | generic header
//! u16 0                                  /
//! attributes: u16 length with this header, u16 type, value, padding to 4 bytes
//! ```

const HEADER_BYTES: usize = 16;
const GENERIC_BYTES: usize = 4;
const ATTRIBUTE_BYTES: usize = 4;
const ALIGN: usize = 4;

pub const TYPE_ERROR: u16 = 2;
const FLAG_REQUEST: u16 = 1;
const FLAG_ACK: u16 = 4;
/// Upper bits of an attribute's type: nested, byte order.
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

/// A request under construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// The kernel will answer with data, if any, and an acknowledgement in the end.
    pub fn new(family: u16, command: u8, version: u8, sequence: u32) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(family.to_ne_bytes());
        bytes.extend((FLAG_REQUEST | FLAG_ACK).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend([command, version, 0, 0]);
        Self { bytes }
    }

    pub fn u32(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    pub fn u64(self, kind: u16, value: u64) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// With the zero byte that the kernel expects at the end.
    pub fn string(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// An attribute made of attributes.
    pub fn nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self = fill(self.attribute(kind, &[]));
        let length = attribute_length(self.bytes.len() - start);
        self.bytes[start..start + 2].copy_from_slice(&length);
        self
    }

    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("requests are small");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend(attribute_length(ATTRIBUTE_BYTES + value.len()));
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        self
    }
}

fn attribute_length(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("attributes are small").to_ne_bytes()
}

/// A message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: u16,
    pub sequence: u32,
    /// Behind the netlink header.
    pub body: &'a [u8],
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// The end of an answer: 0, or an errno.
    Acknowledged(i32),
    Data {
        command: u8,
        attributes: Attributes<'a>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Splits a datagram into messages. Ends at the first that is malformed, with an error.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Malformed>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let parsed = take_message(bytes);
        bytes = parsed.as_ref().map_or(&[], |(_, rest)| rest);
        Some(parsed.map(|(message, _)| message))
    })
}

fn take_message(bytes: &[u8]) -> Result<(Message<'_>, &[u8]), Malformed> {
    let length = u32_at(bytes, 0)? as usize;
    if length < HEADER_BYTES {
        return Err(Malformed);
    }
    let (message, _) = bytes.split_at_checked(length).ok_or(Malformed)?;
    let rest = bytes.get(length.next_multiple_of(ALIGN)..).unwrap_or(&[]);
    let kind = u16_at(message, 4)?;
    let sequence = u32_at(message, 8)?;
    Ok((Message { kind, sequence, body: &message[HEADER_BYTES..] }, rest))
}

impl<'a> Message<'a> {
    pub fn content(&self) -> Result<Content<'a>, Malformed> {
        if self.kind == TYPE_ERROR {
            let code = u32_at(self.body, 0)? as i32;
            // The kernel sends errno negated.
            return Ok(Content::Acknowledged(code.checked_neg().ok_or(Malformed)?));
        }
        let (head, attributes) = self.body.split_at_checked(GENERIC_BYTES).ok_or(Malformed)?;
        Ok(Content::Data { command: head[0], attributes: Attributes(attributes) })
    }
}

/// A run of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// Each with its type. Stops at what is malformed.
    pub fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let length = usize::from(u16_at(rest, 0).ok()?);
            let kind = u16_at(rest, 2).ok()? & ATTRIBUTE_TYPE_MASK;
            let value = rest.get(ATTRIBUTE_BYTES..length)?;
            rest = rest.get(length.next_multiple_of(ALIGN)..).unwrap_or(&[]);
            Some((kind, value))
        })
    }

    pub fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    pub fn find_u8(self, kind: u16) -> Option<u8> {
        self.find(kind)?.first().copied()
    }

    pub fn find_u16(self, kind: u16) -> Option<u16> {
        u16_at(self.find(kind)?, 0).ok()
    }

    pub fn find_u32(self, kind: u16) -> Option<u32> {
        u32_at(self.find(kind)?, 0).ok()
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Malformed> {
    let raw = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
    Ok(u16::from_ne_bytes(*raw))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    let raw = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
    Ok(u32::from_ne_bytes(*raw))
}
