//! The first frame in each direction: who speaks, which versions, and what the connection is for.
//!
//! ITS LAYOUT IS FROZEN: every version must be able to read every other version's hello. What
//! later versions add goes into the extension, which older ones skip.
//!
//! ```text
//! hello                                    reply
//! offset size                              offset size
//!      0    5  magic "SHOAL"                    0    5  magic "SHOAL"
//!      5    1  layout: 1                        5    1  layout: 1
//!      6    2  lowest protocol                  6    1  0 accepted, else `HelloRefusal`
//!      8    2  highest protocol                 7    1  zero
//!     10    8  required features                8    2  protocol agreed, or lowest here
//!     18    8  optional features               10    2  the same, or highest here
//!     26   16  cluster id                      12    8  features agreed, or in question
//!     42    8  cluster incarnation             20    8  peer id of the answering side
//!     50    8  peer id (0: none yet)           28    8  process nonce of the answering side
//!     58    1  purpose                         36    2  bytes of credential
//!     59    8  store (disk id; else 0)         38       credential, then extension as left
//!     67    8  process nonce
//!     75    2  bytes of extension
//!     77       extension
//! ```

mod negotiate;
mod reply;
#[cfg(test)]
mod tests;

use shoal_types::{DiskId, PeerId};

pub use negotiate::{Greeter, Greeting, check_reply, negotiate};
pub use reply::{HelloRefusal, HelloReply};

use crate::Malformed;
use crate::cursor::{Put, Reader};
use crate::frame::Gate;

/// Lowest and highest protocol that this build speaks. N talks to N-1.
pub const PROTOCOL_LOWEST: u16 = 1;
pub const PROTOCOL_HIGHEST: u16 = 1;
/// Feature bits that this build knows.
pub const FEATURES_KNOWN: u64 = 0;

const MAGIC: [u8; 5] = *b"SHOAL";
const LAYOUT: u8 = 1;
/// Most bytes of extension or credential.
const VARIABLE_BYTES_MAX: usize = 1024;

/// Random, chosen once for a cluster.
pub type ClusterId = [u8; 16];

/// What a connection is for. It carries the frames of this purpose and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A head or a joining member talks to the store on this disk.
    Replication(DiskId),
    /// Consensus between voters.
    Raft,
    /// Questions to the cluster state.
    Meta,
    /// API requests forwarded to another peer.
    Api,
    /// A stranger shows a token.
    Join,
}

impl Purpose {
    /// What the accepting side of a connection of this purpose takes after the hello.
    pub fn gate(self) -> Gate {
        match self {
            Self::Replication(_) => Gate::REQUESTS,
            Self::Raft => Gate::RAFT,
            Self::Meta => Gate::META,
            Self::Api => Gate::API,
            Self::Join => Gate::JOIN,
        }
    }

    /// The same for the side that dialled.
    pub fn dialler_gate(self) -> Gate {
        match self {
            Self::Replication(_) => Gate::REPLIES,
            Self::Join => Gate::JOIN_REPLY,
            _ => self.gate(),
        }
    }

    fn number(self) -> (u8, DiskId) {
        match self {
            Self::Replication(disk) => (1, disk),
            Self::Raft => (2, DiskId(0)),
            Self::Meta => (3, DiskId(0)),
            Self::Api => (4, DiskId(0)),
            Self::Join => (5, DiskId(0)),
        }
    }

    fn from_number(number: u8, disk: DiskId) -> Result<Self, Malformed> {
        let purpose = match number {
            1 => return Ok(Self::Replication(disk)),
            2 => Self::Raft,
            3 => Self::Meta,
            4 => Self::Api,
            5 => Self::Join,
            value => return Err(Malformed::Value { field: "purpose", value: value.into() }),
        };
        if disk != DiskId(0) {
            return Err(Malformed::Value { field: "store", value: disk.0 });
        }
        Ok(purpose)
    }
}

/// What the dialling side says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    pub protocol_lowest: u16,
    pub protocol_highest: u16,
    pub features_required: u64,
    pub features_optional: u64,
    pub cluster: ClusterId,
    pub incarnation: u64,
    /// 0 of a stranger that wants to join.
    pub peer: PeerId,
    pub purpose: Purpose,
    /// Random, chosen at the start of a process: tells a restarted peer from the one before.
    pub nonce: u64,
}

impl Hello {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(77);
        out.put(&MAGIC);
        out.put_u8(LAYOUT);
        out.put_u16(self.protocol_lowest);
        out.put_u16(self.protocol_highest);
        out.put_u64(self.features_required);
        out.put_u64(self.features_optional);
        out.put(&self.cluster);
        out.put_u64(self.incarnation);
        out.put_u64(self.peer.0);
        let (purpose, store) = self.purpose.number();
        out.put_u8(purpose);
        out.put_u64(store.0);
        out.put_u64(self.nonce);
        out.put_u16(0);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        read_start(&mut reader)?;
        let hello = Self {
            protocol_lowest: reader.u16()?,
            protocol_highest: reader.u16()?,
            features_required: reader.u64()?,
            features_optional: reader.u64()?,
            cluster: reader.array()?,
            incarnation: reader.u64()?,
            peer: PeerId(reader.u64()?),
            purpose: Purpose::from_number(reader.u8()?, DiskId(reader.u64()?))?,
            nonce: reader.u64()?,
        };
        if hello.protocol_lowest > hello.protocol_highest {
            let value = hello.protocol_lowest.into();
            return Err(Malformed::Value { field: "lowest protocol", value });
        }
        let _later_versions = read_variable(&mut reader, "extension")?;
        reader.finish()?;
        Ok(hello)
    }
}

fn read_start(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let magic: [u8; 5] = reader.array()?;
    if magic != MAGIC {
        return Err(Malformed::Value { field: "magic", value: magic[0].into() });
    }
    match reader.u8()? {
        LAYOUT => Ok(()),
        value => Err(Malformed::Value { field: "layout", value: value.into() }),
    }
}

fn read_variable<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], Malformed> {
    let bytes = reader.u16()?.into();
    if bytes > VARIABLE_BYTES_MAX {
        return Err(Malformed::TooMany { field, count: bytes as u64 });
    }
    reader.bytes(bytes)
}
