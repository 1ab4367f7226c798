//! What happened, for people: a ring of the newest events.

use serde::{Deserialize, Serialize};

use crate::codec::{codec_enum, codec_struct};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    pub id: u64,
    /// Cluster time.
    pub time_ms: u64,
    pub severity: Severity,
    pub code: String,
    pub message: String,
    /// What it is about: `peer 3`, `volume db`...
    pub subject: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warn,
    Error,
}

codec_struct!(Event { id, time_ms, severity, code, message, subject });
codec_enum!(Severity: u8 { 1 => Info, 2 => Warn, 3 => Error });
