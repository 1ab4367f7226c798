//! A client made of byte strings.

use super::*;

pub const SIZE: u64 = 1 << 20;

pub struct Two;

impl Exports for Two {
    fn list(&self) -> Vec<ExportEntry> {
        ["db0", "db1"].map(|name| ExportEntry { name: name.into(), description: "x".into() }).into()
    }

    fn find(&self, name: &str) -> Result<Export, LookupError> {
        match name {
            "" | "db0" => Ok(export("db0", false)),
            "db1" => Ok(export("db1", true)),
            "secret" => Err(LookupError::Refused),
            "blocks" => Ok(Export { blocks: BlockSizes::BLOCKS, ..export("blocks", false) }),
            _ => Err(LookupError::Unknown),
        }
    }
}

pub fn export(name: &str, read_only: bool) -> Export {
    Export {
        name: name.into(),
        description: "d".into(),
        size: SIZE,
        blocks: BlockSizes::BYTES,
        read_only,
    }
}

pub fn connection(limits: Limits) -> Connection {
    Connection::new(Arc::new(Two), limits, BufferPool::new(1 << 20))
}

/// Everything queued, taken as sent.
pub fn sent(connection: &mut Connection) -> Vec<u8> {
    let bytes: Vec<u8> = connection.outgoing().flat_map(|piece| piece.to_vec()).collect();
    assert_eq!(bytes.len() as u64, connection.outgoing_bytes());
    connection.advance(bytes.len());
    bytes
}

pub fn option(option: u32, data: &[u8]) -> Vec<u8> {
    let mut raw = IHAVEOPT.to_be_bytes().to_vec();
    raw.extend(option.to_be_bytes());
    raw.extend((data.len() as u32).to_be_bytes());
    raw.extend(data);
    raw
}

pub fn name_field(name: &str) -> Vec<u8> {
    let mut raw = (name.len() as u32).to_be_bytes().to_vec();
    raw.extend(name.as_bytes());
    raw
}

pub fn info_data(name: &str, wanted: &[u16]) -> Vec<u8> {
    let mut raw = name_field(name);
    raw.extend((wanted.len() as u16).to_be_bytes());
    wanted.iter().for_each(|info| raw.extend(info.to_be_bytes()));
    raw
}

pub fn meta_data(name: &str, queries: &[&str]) -> Vec<u8> {
    let mut raw = name_field(name);
    raw.extend((queries.len() as u32).to_be_bytes());
    queries.iter().for_each(|query| raw.extend(name_field(query)));
    raw
}

/// `(option, reply, data)` of each option reply.
pub fn option_replies(mut raw: &[u8]) -> Vec<(u32, u32, Vec<u8>)> {
    let mut replies = Vec::new();
    while !raw.is_empty() {
        assert_eq!(be64(raw), 0x3e889045565a9);
        let length = be32(&raw[16..]) as usize;
        replies.push((be32(&raw[8..]), be32(&raw[12..]), raw[20..20 + length].to_vec()));
        raw = &raw[20 + length..];
    }
    replies
}

/// Reply types alone.
pub fn kinds(raw: &[u8]) -> Vec<u32> {
    option_replies(raw).iter().map(|reply| reply.1).collect()
}

/// Past the greeting, negotiating.
pub fn negotiating() -> Connection {
    let mut connection = connection(Limits::default());
    sent(&mut connection);
    assert_eq!(connection.feed(&3u32.to_be_bytes()), 4);
    connection
}

/// In transmission with `name`.
pub fn open(name: &str, structured: bool, limits: Limits) -> Connection {
    let mut connection = connection(limits);
    sent(&mut connection);
    connection.feed(&3u32.to_be_bytes());
    if structured {
        connection.feed(&option(opt::STRUCTURED_REPLY, &[]));
        sent(&mut connection);
        connection.feed(&option(opt::SET_META_CONTEXT, &meta_data(name, &["base:allocation"])));
        assert_eq!(kinds(&sent(&mut connection)), [rep::META_CONTEXT, rep::ACK]);
    }
    connection.feed(&option(opt::GO, &info_data(name, &[])));
    assert_eq!(*kinds(&sent(&mut connection)).last().unwrap(), rep::ACK);
    assert!(matches!(connection.next_event(), Some(Event::Opened(_))));
    connection
}

pub fn request(command: u16, flags: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut raw = 0x2560_9513u32.to_be_bytes().to_vec();
    raw.extend(flags.to_be_bytes());
    raw.extend(command.to_be_bytes());
    raw.extend(cookie.to_be_bytes());
    raw.extend(offset.to_be_bytes());
    raw.extend(length.to_be_bytes());
    raw
}

pub fn write(cookie: u64, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut raw = request(cmd::WRITE, 0, cookie, offset, data.len() as u32);
    raw.extend(data);
    raw
}

pub fn next_request(connection: &mut Connection) -> Request {
    match connection.next_event() {
        Some(Event::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

pub fn simple_reply(cookie: u64, error: u32) -> Vec<u8> {
    let mut raw = 0x6744_6698u32.to_be_bytes().to_vec();
    raw.extend(error.to_be_bytes());
    raw.extend(cookie.to_be_bytes());
    raw
}

/// `(flags, type, cookie, payload)` of each structured chunk.
pub fn chunks(mut raw: &[u8]) -> Vec<(u16, u16, u64, Vec<u8>)> {
    let mut list = Vec::new();
    while !raw.is_empty() {
        assert_eq!(be32(raw), STRUCTURED_REPLY_MAGIC);
        let length = be32(&raw[16..]) as usize;
        let payload = raw[20..20 + length].to_vec();
        list.push((be16(&raw[4..]), be16(&raw[6..]), be64(&raw[8..]), payload));
        raw = &raw[20 + length..];
    }
    list
}

/// The error of an answer that failed, in either form.
pub fn error_of(raw: &[u8]) -> u32 {
    if be32(raw) == STRUCTURED_REPLY_MAGIC { be32(&raw[20..]) } else { be32(&raw[4..]) }
}

pub fn be16(raw: &[u8]) -> u16 {
    u16::from_be_bytes(*raw.first_chunk().unwrap())
}

pub fn be32(raw: &[u8]) -> u32 {
    u32::from_be_bytes(*raw.first_chunk().unwrap())
}

pub fn be64(raw: &[u8]) -> u64 {
    u64::from_be_bytes(*raw.first_chunk().unwrap())
}

pub fn place_bytes(target: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    for (slot, byte) in target[..bytes.len()].iter_mut().zip(bytes) {
        slot.write(*byte);
    }
}
