//! What is served here, for `device.list`: devices, and what is exported.

use serde_json::{Value, json};
use shoal_types::VolumeId;

use super::entry::DeviceEntry;
use crate::supervisor::Supervisor;

impl Supervisor {
    /// A volume that is a device and exported as well comes twice.
    pub(in crate::supervisor) fn device_list(&self) -> Value {
        let heads = self.head_lines();
        let device = |(volume, entry): (&VolumeId, &DeviceEntry)| {
            let head = heads.iter().find(|line| line["volume_id"] == volume.0);
            device_line(*volume, entry, head)
        };
        let mut lines: Vec<Value> = self.devices.entries.iter().map(device).collect();
        let is_plain = |line: &&Value| {
            let volume = VolumeId(line["volume_id"].as_u64().unwrap_or(0));
            line["exported"] == true || !self.devices.entries.contains_key(&volume)
        };
        lines.extend(heads.iter().filter(is_plain).cloned());
        Value::Array(lines)
    }
}

/// `head`: the line of its head, whose figures it shares.
fn device_line(volume: VolumeId, entry: &DeviceEntry, head: Option<&Value>) -> Value {
    let mut line = head.cloned().unwrap_or_else(|| json!({ "exported": false, "clients": 0 }));
    let state = entry.state_name(head.and_then(|head| head["state"].as_str())).to_owned();
    let reason = entry.reason().or_else(|| head.and_then(|head| head["reason"].as_str()));
    let reason = reason.map(str::to_owned);
    line["volume_id"] = json!(volume.0);
    line["volume"] = json!(entry.wanted.name);
    line["path"] = json!(entry.path());
    line["kind"] = json!(entry.kind());
    line["state"] = json!(state);
    line["reason"] = json!(reason);
    line["generation"] = json!(entry.wanted.generation);
    line["read_only"] = json!(entry.wanted.read_only);
    if head.is_none() {
        line["head_epoch"] = Value::Null;
    }
    line
}
