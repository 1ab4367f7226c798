//! What one connection may cost.

/// Longest option that is looked at, in bytes: an export name (4096 by the protocol) with room
/// for queries.
pub const OPTION_BYTES_MAX: u32 = 8 * 1024;
/// Longest option that is skipped politely, in bytes. Above it the connection is closed.
pub const OPTION_SKIP_BYTES_MAX: u32 = 1 << 20;
/// Options of one negotiation; a client with more of them is looping.
pub const OPTIONS_MAX: u32 = 4096;
/// Longest name the protocol allows, in bytes.
pub const NAME_BYTES_MAX: u32 = 4096;
/// Information requests in one INFO or GO; the protocol defines four.
pub const INFO_REQUESTS_MAX: u16 = 64;
/// Queries in one LIST_META_CONTEXT or SET_META_CONTEXT.
pub const META_QUERIES_MAX: u32 = 64;
/// Exports in one answer to LIST.
pub const LIST_EXPORTS_MAX: usize = 10_000;
/// Bytes received ahead of parsing: holds one option, or some hundred request headers.
pub const STAGING_BYTES: usize = 16 * 1024;
/// Largest payload of a read or a write, in bytes; also the largest payload of a refused write
/// that is skipped, because up to this size the protocol forbids to call it an attack.
pub const PAYLOAD_BYTES_MAX: u32 = 32 << 20;
/// Extents in one answer to BLOCK_STATUS; a client asks again for the rest.
pub const EXTENTS_MAX: usize = 16 * 1024;
/// Holes shorter than this are sent as zeros, in bytes: a chunk of its own costs more.
pub const HOLE_BYTES_MIN: u32 = 4096;

/// Adjustable limits of one connection. A client that reaches them is not read from until
/// answers went out; nothing is lost and other connections do not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests handed out and not answered.
    pub requests_max: usize,
    /// Payload of these requests plus answers not yet sent, in bytes. One request is always let
    /// in, so a connection holds at most this much, or one largest request if that is more.
    pub bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_max: 256, bytes_max: 2 * PAYLOAD_BYTES_MAX as u64 }
    }
}
