//! Option haggling (fixed newstyle): one option in, its replies out, and what comes next.

use bytes::{BufMut, BytesMut};

use crate::admission::Session;
use crate::constants::{
    BASE_ALLOCATION, BASE_ALLOCATION_ID, FLAG_C_NO_ZEROES, OPTION_REPLY_MAGIC, info, opt, rep,
};
use crate::error::Violation;
use crate::export::{Export, Exports, LookupError};
use crate::limits::LIST_EXPORTS_MAX;
use crate::option::{BadOption, InfoRequest, MetaRequest, parse_name};
use crate::outbox::Outbox;

/// State of one negotiation.
#[derive(Default)]
pub struct Negotiation {
    no_zeroes: bool,
    structured: bool,
    /// Canonical name of the export for which base:allocation is selected.
    selected: Option<String>,
    pub options: u32,
}

/// What follows an option.
#[derive(Debug)]
pub enum Next {
    Option,
    Transmission(Session),
    Goodbye,
    Close(Violation),
}

impl Negotiation {
    pub fn new(client_flags: u32) -> Self {
        Self { no_zeroes: client_flags & FLAG_C_NO_ZEROES != 0, ..Self::default() }
    }

    pub fn answer(
        &mut self,
        option: u32,
        data: &[u8],
        exports: &dyn Exports,
        out: &mut Outbox,
    ) -> Next {
        match option {
            opt::EXPORT_NAME => return self.export_name(data, exports, out),
            opt::ABORT => {
                ack(out, option);
                return Next::Goodbye;
            }
            opt::GO | opt::INFO => return self.info_or_go(option, data, exports, out),
            opt::LIST => list(data, exports, out),
            opt::STRUCTURED_REPLY => self.structured_reply(data, out),
            opt::LIST_META_CONTEXT | opt::SET_META_CONTEXT => {
                self.meta_context(option, data, exports, out);
            }
            opt::STARTTLS => refuse(out, option, rep::ERR_POLICY, "no TLS on this socket"),
            _ => refuse(out, option, rep::ERR_UNSUP, "option not supported"),
        }
        Next::Option
    }

    /// Answers an option while the server goes away.
    pub fn answer_shutdown(&self, option: u32, out: &mut Outbox) -> Next {
        match option {
            opt::EXPORT_NAME => return Next::Close(Violation::ExportRefused),
            opt::ABORT => {
                ack(out, option);
                return Next::Goodbye;
            }
            _ => refuse(out, option, rep::ERR_SHUTDOWN, "the server is shutting down"),
        }
        Next::Option
    }

    /// Answers an option that is too long to look at.
    pub fn answer_too_big(&mut self, option: u32, out: &mut Outbox) -> Next {
        match option {
            opt::EXPORT_NAME => return Next::Close(Violation::ExportRefused),
            // The contexts selected before are gone even if this fails.
            opt::SET_META_CONTEXT => self.selected = None,
            _ => {}
        }
        refuse(out, option, rep::ERR_TOO_BIG, "option is too long");
        Next::Option
    }

    /// ```text
    /// u64 size   u16 transmission flags   124 zeros unless NO_ZEROES
    /// ```
    fn export_name(&mut self, data: &[u8], exports: &dyn Exports, out: &mut Outbox) -> Next {
        let Some(export) = parse_name(data).ok().and_then(|name| exports.find(name).ok()) else {
            return Next::Close(Violation::ExportRefused);
        };
        let padding = if self.no_zeroes { 0 } else { 124 };
        out.put(10 + padding, |buf| {
            buf.put_u64(export.size);
            buf.put_u16(export.flags(self.structured));
            buf.put_bytes(0, padding);
        });
        Next::Transmission(self.session(export))
    }

    fn info_or_go(
        &mut self,
        option: u32,
        data: &[u8],
        exports: &dyn Exports,
        out: &mut Outbox,
    ) -> Next {
        let request = match InfoRequest::parse(data) {
            Ok(request) => request,
            Err(bad) => {
                refuse_bad(out, option, bad);
                return Next::Option;
            }
        };
        let export = match exports.find(request.name) {
            Ok(export) => export,
            Err(error) => {
                refuse_lookup(out, option, error);
                return Next::Option;
            }
        };
        self.describe(option, &request, &export, out);
        ack(out, option);
        if option == opt::GO { Next::Transmission(self.session(export)) } else { Next::Option }
    }

    fn describe(&self, option: u32, asked: &InfoRequest, export: &Export, out: &mut Outbox) {
        reply(out, option, rep::INFO, 12, |buf| {
            buf.put_u16(info::EXPORT);
            buf.put_u64(export.size);
            buf.put_u16(export.flags(self.structured));
        });
        // Always, asked or not: a client that knows the sizes does better.
        reply(out, option, rep::INFO, 14, |buf| {
            buf.put_u16(info::BLOCK_SIZE);
            buf.put_u32(export.blocks.minimum);
            buf.put_u32(export.blocks.preferred);
            buf.put_u32(export.blocks.payload_max());
        });
        for (info, text) in [(info::NAME, &export.name), (info::DESCRIPTION, &export.description)] {
            if asked.wants(info) && !text.is_empty() {
                reply(out, option, rep::INFO, 2 + text.len(), |buf| {
                    buf.put_u16(info);
                    buf.put_slice(text.as_bytes());
                });
            }
        }
    }

    fn structured_reply(&mut self, data: &[u8], out: &mut Outbox) {
        if !data.is_empty() {
            return refuse_bad(out, opt::STRUCTURED_REPLY, BadOption::Invalid);
        }
        self.structured = true;
        ack(out, opt::STRUCTURED_REPLY);
    }

    fn meta_context(&mut self, option: u32, data: &[u8], exports: &dyn Exports, out: &mut Outbox) {
        let set = option == opt::SET_META_CONTEXT;
        if set {
            // Replaces what was selected before, also when it fails.
            self.selected = None;
        }
        if !self.structured {
            return refuse(out, option, rep::ERR_INVALID, "structured replies come first");
        }
        let request = match MetaRequest::parse(data) {
            Ok(request) => request,
            Err(bad) => return refuse_bad(out, option, bad),
        };
        let export = match exports.find(request.name) {
            Ok(export) => export,
            Err(error) => return refuse_lookup(out, option, error),
        };
        let queries = &request.queries;
        let found = if set {
            queries.contains(&BASE_ALLOCATION)
        } else {
            queries.is_empty() || queries.iter().any(|&q| q == "base:" || q == BASE_ALLOCATION)
        };
        if found {
            reply(out, option, rep::META_CONTEXT, 4 + BASE_ALLOCATION.len(), |buf| {
                buf.put_u32(if set { BASE_ALLOCATION_ID } else { 0 });
                buf.put_slice(BASE_ALLOCATION.as_bytes());
            });
        }
        if set && found {
            self.selected = Some(export.name);
        }
        ack(out, option);
    }

    fn session(&mut self, export: Export) -> Session {
        let block_status = self.selected.take().is_some_and(|name| name == export.name);
        Session { export, structured: self.structured, block_status }
    }
}

/// ```text
/// SERVER: u32 length of the name, name, description
/// ```
fn list(data: &[u8], exports: &dyn Exports, out: &mut Outbox) {
    if !data.is_empty() {
        return refuse_bad(out, opt::LIST, BadOption::Invalid);
    }
    let entries = exports.list();
    if entries.len() > LIST_EXPORTS_MAX {
        return refuse(out, opt::LIST, rep::ERR_TOO_BIG, "too many exports to list");
    }
    for entry in entries {
        let length = 4 + entry.name.len() + entry.description.len();
        reply(out, opt::LIST, rep::SERVER, length, |buf| {
            buf.put_u32(entry.name.len() as u32);
            buf.put_slice(entry.name.as_bytes());
            buf.put_slice(entry.description.as_bytes());
        });
    }
    ack(out, opt::LIST);
}

/// ```text
/// u64 magic   0x3e889045565a9
/// u32 option  the one that is answered
/// u32 reply
/// u32 length  of the data that follows
/// ```
fn reply(
    out: &mut Outbox,
    option: u32,
    kind: u32,
    length: usize,
    data: impl FnOnce(&mut BytesMut),
) {
    out.put(20 + length, |buf| {
        buf.put_u64(OPTION_REPLY_MAGIC);
        buf.put_u32(option);
        buf.put_u32(kind);
        buf.put_u32(length as u32);
        data(buf);
    });
}

fn ack(out: &mut Outbox, option: u32) {
    reply(out, option, rep::ACK, 0, |_| {});
}

fn refuse(out: &mut Outbox, option: u32, kind: u32, text: &str) {
    reply(out, option, kind, text.len(), |buf| buf.put_slice(text.as_bytes()));
}

fn refuse_bad(out: &mut Outbox, option: u32, bad: BadOption) {
    match bad {
        BadOption::Invalid => refuse(out, option, rep::ERR_INVALID, "malformed option"),
        BadOption::TooBig => refuse(out, option, rep::ERR_TOO_BIG, "too much in one option"),
    }
}

fn refuse_lookup(out: &mut Outbox, option: u32, error: LookupError) {
    match error {
        LookupError::Unknown => refuse(out, option, rep::ERR_UNKNOWN, "no such export"),
        LookupError::Refused => refuse(out, option, rep::ERR_POLICY, "export not available"),
    }
}
