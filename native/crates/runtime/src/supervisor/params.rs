//! Parameters of control requests: typed, nothing unknown, nothing missing.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shoal_meta::hex::ProposalId;
use shoal_meta::state::{Address, Command, DiskClass, Domains};

use crate::control::ControlError;

pub fn parse<T: DeserializeOwned>(params: Value) -> Result<T, ControlError> {
    let params = if params.is_null() { Value::Object(Default::default()) } else { params };
    serde_json::from_value(params).map_err(|error| ControlError::bad_request(error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    pub protocol_min: u32,
    pub protocol_max: u32,
    #[allow(dead_code, reason = "for the log of whoever debugs a mixed version")]
    pub client: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    pub name: String,
    pub peer_name: String,
    pub addresses: Vec<Address>,
    pub domains: Domains,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub ttl_ms: u64,
    pub addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    pub token: String,
    pub witness: bool,
    pub peer_name: String,
    pub addresses: Vec<Address>,
    pub domains: Domains,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// Of the cluster, so that nobody recovers another one than he means.
    pub name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    pub disks: Vec<PathBuf>,
    /// Of the cluster; not needed to look.
    pub name: Option<String>,
    pub dry_run: bool,
    pub peer_name: String,
    pub addresses: Vec<Address>,
    pub domains: Domains,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    pub command: Command,
    pub proposal_id: ProposalId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    pub path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDisk {
    pub path: PathBuf,
    /// Files only: made this large, in bytes.
    pub size: Option<u64>,
    pub class: DiskClass,
    pub wipe: bool,
    /// It holds a store of this cluster, which is kept.
    #[serde(default)]
    pub existing: bool,
    /// Of a new file most is only allocated.
    #[serde(default)]
    pub reserve: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskRef {
    pub disk_id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateExport {
    pub volume: String,
    pub kind: shoal_meta::state::ExportKind,
    pub socket: Option<String>,
    /// Fence the attachment of whichever peer has the volume.
    pub takeover: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteExport {
    pub export_id: u64,
    pub force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateQuery {
    /// Tag of a state that is known to whoever asks.
    pub known: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRef {
    pub volume: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    pub volume: String,
    pub via: String,
    pub read_only: bool,
    pub queues: Option<u16>,
    /// Fence the attachment of whichever peer has the volume.
    pub takeover: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detach {
    pub volume: String,
    pub force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    pub deadline_ms: u64,
}
