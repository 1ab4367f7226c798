//! Options of the negotiation as they come in. The length was checked before; nothing here
//! allocates more than the option holds.

use crate::constants::IHAVEOPT;
use crate::error::Violation;
use crate::limits::{INFO_REQUESTS_MAX, META_QUERIES_MAX, NAME_BYTES_MAX};

/// ```text
/// u64 magic   "IHAVEOPT"
/// u32 option
/// u32 length  of the data that follows
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionHeader {
    pub option: u32,
    pub length: u32,
}

impl OptionHeader {
    pub const BYTES: usize = 16;

    pub fn parse(raw: &[u8; Self::BYTES]) -> Result<Self, Violation> {
        let mut fields = Fields(raw);
        let whole = "fixed layout";
        let magic = fields.u64().expect(whole);
        let option = fields.u32().expect(whole);
        let length = fields.u32().expect(whole);
        if magic != IHAVEOPT {
            return Err(Violation::BadOptionMagic(magic));
        }
        Ok(Self { option, length })
    }
}

/// Why the data of an option cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadOption {
    Invalid,
    TooBig,
}

/// Data of INFO and GO.
///
/// ```text
/// u32 length of the name
/// ... name
/// u16 number of information requests
/// u16 each
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoRequest<'a> {
    pub name: &'a str,
    /// Big-endian u16 each.
    wanted: &'a [u8],
}

impl<'a> InfoRequest<'a> {
    pub fn parse(data: &'a [u8]) -> Result<Self, BadOption> {
        let mut fields = Fields(data);
        let name = fields.name()?;
        let count = fields.u16()?;
        if count > INFO_REQUESTS_MAX {
            return Err(BadOption::TooBig);
        }
        let wanted = fields.bytes(usize::from(count) * 2)?;
        fields.end()?;
        Ok(Self { name, wanted })
    }

    pub fn wants(&self, info: u16) -> bool {
        self.wanted.chunks_exact(2).any(|raw| raw == info.to_be_bytes())
    }
}

/// Data of LIST_META_CONTEXT and SET_META_CONTEXT.
///
/// ```text
/// u32 length of the export's name
/// ... name
/// u32 number of queries
/// each: u32 length, then the query
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaRequest<'a> {
    pub name: &'a str,
    pub queries: Vec<&'a str>,
}

impl<'a> MetaRequest<'a> {
    pub fn parse(data: &'a [u8]) -> Result<Self, BadOption> {
        let mut fields = Fields(data);
        let name = fields.name()?;
        let count = fields.u32()?;
        if count > META_QUERIES_MAX {
            return Err(BadOption::TooBig);
        }
        let queries = (0..count).map(|_| fields.name()).collect::<Result<_, _>>()?;
        fields.end()?;
        Ok(Self { name, queries })
    }
}

/// A name that stands alone (EXPORT_NAME).
pub fn parse_name(data: &[u8]) -> Result<&str, BadOption> {
    if data.len() > NAME_BYTES_MAX as usize {
        return Err(BadOption::TooBig);
    }
    str::from_utf8(data).map_err(|_| BadOption::Invalid)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], BadOption> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(BadOption::Invalid)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadOption> {
        let bytes = self.bytes(N)?;
        Ok(bytes.try_into().expect("N bytes"))
    }

    fn u16(&mut self) -> Result<u16, BadOption> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, BadOption> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, BadOption> {
        self.array().map(u64::from_be_bytes)
    }

    fn name(&mut self) -> Result<&'a str, BadOption> {
        let length = self.u32()?;
        let room = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if length > room {
            return Err(BadOption::Invalid);
        }
        parse_name(self.bytes(length as usize)?)
    }

    fn end(&self) -> Result<(), BadOption> {
        if self.0.is_empty() { Ok(()) } else { Err(BadOption::Invalid) }
    }
}
