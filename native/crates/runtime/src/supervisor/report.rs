//! What control is told of stores, heads and their work.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use serde_json::{Value, json};
use shoal_types::{DiskId, LayerId, VolumeId};

use super::Supervisor;
use super::membership::no_cluster;
use super::stores::{StoreEntry, StoreState};
use crate::control::ControlError;
use crate::io_thread::{HeadReport, IoMessage};
use crate::store_thread::{RunningJoin, StoreMessage, StoreReport};

/// A thread that does not answer in time is left out: a report never stops the supervisor.
const ANSWER_MAX: Duration = Duration::from_millis(500);

impl Supervisor {
    fn store_report(&self, entry: &StoreEntry, layers: &[LayerId]) -> Option<StoreReport> {
        let (answer, report) = sync_channel(1);
        let layers = layers.to_vec();
        entry.sender.as_ref()?.send(StoreMessage::Report { layers, answer });
        report.recv_timeout(ANSWER_MAX).ok()
    }

    fn head_reports(&self) -> HashMap<VolumeId, HeadReport> {
        let mut reports = HashMap::new();
        for thread in &self.context.io_threads {
            let (answer, list) = sync_channel(1);
            thread.send(IoMessage::Status(answer));
            for report in list.recv_timeout(ANSWER_MAX).unwrap_or_default() {
                reports.insert(report.volume, report);
            }
        }
        reports
    }

    pub(super) fn clients_of(&self, volume: VolumeId) -> u32 {
        self.head_reports().get(&volume).map_or(0, |report| report.nbd_clients)
    }

    pub(super) fn disk_list(&self) -> Value {
        let line = |(disk, entry): (&DiskId, &StoreEntry)| {
            let report = self.store_report(entry, &[]);
            json!({
                "disk_id": disk.0,
                "path": entry.path,
                "state": entry.state_name(),
                "reason": match &entry.state {
                    StoreState::Failed { reason, .. } => Some(reason),
                    _ => None,
                },
                "stats": report.as_ref().map_or_else(|| json!({}), stats_json),
                "scrub": report.as_ref().and_then(|r| r.scrub).map(|scrub| json!({
                    "order": scrub.order,
                    "done": scrub.bytes_done(),
                    "total": scrub.bytes_total(),
                    "bad_blocks": scrub.figures.bad_blocks,
                    "eta_s": scrub.eta_s,
                })),
                "recovery": entry.figures.map(figures_json),
            })
        };
        Value::Array(self.stores.iter().map(line).collect())
    }

    pub(super) fn usage(&self, name: &str) -> Result<Value, ControlError> {
        let volume = self.volume_named(name)?;
        let layers = self
            .context
            .meta
            .read(|state| state.volumes().get(&volume).map(|v| v.layers.clone()))
            .ok_or_else(no_cluster)?
            .ok_or_else(|| ControlError::not_found("there is no such volume"))?;
        let mut disks = serde_json::Map::new();
        for (disk, entry) in &self.stores {
            if let Some(report) = self.store_report(entry, &layers) {
                let blocks: u64 = report.usage.iter().map(|(_, blocks)| blocks).sum();
                disks.insert(disk.0.to_string(), json!(blocks * 4096));
            }
        }
        Ok(json!({ "written_bytes": disks }))
    }

    /// One line per head.
    pub(super) fn head_lines(&self) -> Vec<Value> {
        let reports = self.head_reports();
        let socket = &self.context.config.nbd_socket;
        let line = |(volume, entry): (&VolumeId, &super::heads::HeadEntry)| {
            let report = reports.get(volume);
            let exported = self.context.directory.has(entry.key);
            json!({
                "volume_id": volume.0,
                "volume": entry.name,
                "path": socket,
                "exported": exported,
                "kind": "export",
                "state": entry.state.name(),
                "head_epoch": report.map(|r| r.status.head_epoch.0),
                "generation": entry.generation,
                "reason": entry.state.reason(),
                "clients": report.map_or(0, |r| r.nbd_clients),
                "pgs": report.map(|r| r.status.pgs),
                "pgs_active": report.map(|r| r.status.pgs_active),
                "pgs_below_min": report.map(|r| r.status.pgs_below_min),
                "ops_in_flight": report.map(|r| r.status.ops_in_flight),
            })
        };
        self.heads.iter().map(line).collect()
    }

    pub(super) fn status(&self) -> Value {
        let mut joins = Vec::new();
        for (disk, entry) in &self.stores {
            let report = self.store_report(entry, &[]);
            let progress = report.map(|report| report.joins).unwrap_or_default();
            joins.extend(progress.iter().map(|join| join_json(*disk, join)));
        }
        json!({
            "stores": self.disk_list(),
            "heads": self.head_lines(),
            "sessions": self.sessions(),
            "joins": joins,
            "budget": { "bytes": self.memory(), "wanted_bytes": self.memory_wanted() },
        })
    }

    /// Prometheus exposition of the data plane.
    pub(super) fn metrics_text(&self) -> String {
        let mut out = String::new();
        for entry in self.heads.values() {
            entry.metrics.render(&mut out, &entry.name);
        }
        for (volume, report) in self.head_reports() {
            let Some(entry) = self.heads.get(&volume) else { continue };
            let labels = format!("volume=\"{}\"", entry.name);
            let status = report.status;
            let gauges = [
                ("shoal_volume_pgs", status.pgs),
                ("shoal_volume_pgs_active", status.pgs_active),
                ("shoal_volume_pgs_below_min_in_sync", status.pgs_below_min),
                ("shoal_volume_ops_in_flight", status.ops_in_flight),
                ("shoal_volume_nbd_clients", report.nbd_clients),
            ];
            for (name, value) in gauges {
                let _ = writeln!(out, "{name}{{{labels}}} {value}");
            }
        }
        for (disk, entry) in &self.stores {
            if let Some(report) = self.store_report(entry, &[]) {
                store_metrics(&mut out, *disk, &report);
            }
        }
        out
    }
}

fn join_json(disk: DiskId, join: &RunningJoin) -> Value {
    let RunningJoin { progress: join, running_ms } = join;
    json!({
        "policy": join.pg.policy.0,
        "index": join.pg.index,
        "disk": disk.0,
        "done": join.bytes_copied,
        "total": join.blocks_listed * 4096,
        "running_ms": running_ms,
        "join_at": join.join_at.0,
        "source": join.source.0,
        "phase": format!("{:?}", join.phase).to_lowercase(),
    })
}

fn stats_json(report: &StoreReport) -> Value {
    let stats = &report.stats;
    let memory = &stats.memory;
    json!({
        "cells_total": stats.cells_total,
        "cells_free": stats.cells_free,
        "free_bytes": report.free_blocks * 4096,
        "used_bytes": stats.blocks_stored * 4096,
        "read_us": report.latency.read_us,
        "write_us": report.latency.write_us,
        "data_log_bytes": stats.data_log_bytes,
        "data_log_used": stats.data_log_used,
        "meta_log_bytes": stats.meta_log_bytes,
        "meta_log_used": stats.meta_log_used,
        "queued_ops": stats.queued_ops,
        "commits": stats.commits,
        "committed_bytes": stats.committed_bytes,
        "folds": stats.folds,
        "fold_bytes": stats.fold_bytes,
        "checkpoints": stats.checkpoints,
        "checkpoint_bytes": stats.checkpoint_bytes,
        "direct_bytes": stats.direct_bytes,
        "bad_blocks": stats.bad_blocks,
        "bad_metadata": stats.bad_metadata,
        "read_errors": stats.read_errors,
        "repaired_blocks": stats.repaired_blocks,
        "refused_no_space": stats.refused_no_space,
        "writable_bytes": stats.blocks_writable * 4096,
        "root_bytes": stats.root_bytes,
        "root_bytes_max": stats.root_bytes_max,
        "tables_full": u64::from(stats.tables_full),
        "memory_index": memory.index,
        "memory_dirty": memory.dirty,
        "memory_crc_overlay": memory.crc_overlay,
        "memory_crc_cache": memory.crc_cache,
        "memory_free_map": memory.free_map,
        "memory_tables": memory.tables,
    })
}

/// What start-up read: proportional to the index and the log.
fn figures_json(figures: shoal_store::Figures) -> Value {
    json!({
        "root_bytes": figures.root_bytes,
        "index_bytes": figures.index_bytes,
        "meta_log_bytes": figures.meta_log_bytes,
        "data_log_bytes": figures.data_log_bytes,
        "index_entries": figures.index_entries,
        "replayed_batches": figures.replayed_batches,
        "dirty_blocks": figures.dirty_blocks,
    })
}

fn store_metrics(out: &mut String, disk: DiskId, report: &StoreReport) {
    let stats = &report.stats;
    let figures = [
        ("shoal_store_free_bytes", report.free_blocks * 4096),
        ("shoal_store_used_bytes", stats.blocks_stored * 4096),
        ("shoal_store_read_median_us", report.latency.read_us),
        ("shoal_store_write_median_us", report.latency.write_us),
        ("shoal_store_data_log_bytes", stats.data_log_bytes),
        ("shoal_store_data_log_used_bytes", stats.data_log_used),
        ("shoal_store_meta_log_used_bytes", stats.meta_log_used),
        ("shoal_store_queued_ops", stats.queued_ops),
        ("shoal_store_commits_total", stats.commits),
        ("shoal_store_committed_bytes_total", stats.committed_bytes),
        ("shoal_store_folds_total", stats.folds),
        ("shoal_store_fold_bytes_total", stats.fold_bytes),
        ("shoal_store_checkpoint_bytes_total", stats.checkpoint_bytes),
        ("shoal_store_direct_bytes_total", stats.direct_bytes),
        ("shoal_store_bad_blocks_total", stats.bad_blocks),
        ("shoal_store_bad_metadata_total", stats.bad_metadata),
        ("shoal_store_read_errors_total", stats.read_errors),
        ("shoal_store_repaired_blocks_total", stats.repaired_blocks),
        ("shoal_store_refused_no_space_total", stats.refused_no_space),
        ("shoal_store_fenced", u64::from(stats.fenced)),
        ("shoal_store_resyncs", report.joins.len() as u64),
        ("shoal_store_connections", report.connections as u64),
    ];
    for (name, value) in figures {
        let _ = writeln!(out, "{name}{{disk=\"{}\"}} {value}", disk.0);
    }
}
