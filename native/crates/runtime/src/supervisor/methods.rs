//! Requests of the control process, by method (docs/formats/control.md).

use serde_json::{Value, json};
use shoal_meta::hex::Hex;
use shoal_meta::state::{Applied, ClusterState, Command, Via, outcome_json, state_json};
use shoal_types::{DiskId, VolumeId};

use super::membership::{meta_error, no_cluster, settled};
use super::{Supervisor, params};
use crate::control::{Call, ControlError, Responder};

/// Protocol of the control socket that this build speaks.
const PROTOCOL: u32 = 1;

impl Supervisor {
    pub(super) fn on_call(&mut self, call: Call) {
        let Call { method, params, responder } = call;
        if let Err((error, responder)) = self.dispatch(&method, params, responder) {
            responder.answer(Err(error));
        }
    }

    fn dispatch(
        &mut self,
        method: &str,
        raw: Value,
        responder: Responder,
    ) -> Result<(), (ControlError, Responder)> {
        macro_rules! with {
            ($name:ident: $kind:ty => $body:expr) => {
                match params::parse::<$kind>(raw) {
                    Ok($name) => $body,
                    Err(error) => return Err((error, responder)),
                }
            };
        }
        match method {
            "hello" => with!(hello: params::Hello => responder.answer(self.hello(&hello))),
            "cluster.init" => with!(init: params::Init => self.init(init, responder)),
            "cluster.token" => with!(token: params::Token => self.token(token, responder)),
            "cluster.join" => with!(join: params::Join => self.join(join, responder)),
            "cluster.leave" => {
                let left = self.leave();
                responder.answer(left);
            }
            "cluster.recover" => {
                with!(recover: params::Recover => self.recover(recover, responder));
            }
            "cluster.recover_from_disks" => with!(r: params::Restore => self.restore(r, responder)),
            "state.get" => with!(query: params::StateQuery => self.state_for(query, responder)),
            "propose" => with!(propose: params::Propose => self.propose_for(propose, responder)),
            "disk.probe" => with!(probe: params::Probe => self.probe_disk(probe, responder)),
            "disk.add" => with!(add: params::AddDisk => self.add_disk(add, responder)),
            "disk.list" => responder.answer(Ok(self.disk_list())),
            "disk.remove" => {
                with!(disk: params::DiskRef => self.remove_disk(DiskId(disk.disk_id), responder));
            }
            "disk.check" => with!(disk: params::DiskRef => {
                let asked = self.check_disk(DiskId(disk.disk_id));
                responder.answer(asked);
            }),
            "volume.scrub" => {
                with!(volume: params::VolumeRef => self.scrub_volume(&volume.volume, responder));
            }
            "volume.attach" => with!(attach: params::Attach => self.attach(attach, responder)),
            "volume.detach" => with!(detach: params::Detach => self.detach(&detach, responder)),
            "volume.usage" => {
                with!(volume: params::VolumeRef => responder.answer(self.usage(&volume.volume)));
            }
            "export.create" => {
                with!(create: params::CreateExport => self.create_export(&create, responder));
            }
            "export.delete" => {
                with!(delete: params::DeleteExport => self.delete_export(&delete, responder));
            }
            "device.list" => responder.answer(Ok(self.device_list())),
            "status.get" => responder.answer(Ok(self.status())),
            "metrics.get" => responder.answer(Ok(json!({ "text": self.metrics_text() }))),
            "slow.list" => with!(limit: params::Limit => {
                responder.answer(Ok(json!(self.context.slow.slowest(limit.limit))));
            }),
            "shutdown" => {
                with!(shutdown: params::Shutdown => self.shut_down(shutdown.deadline_ms, responder));
            }
            other => {
                let error = ControlError::bad_request(format!("there is no method '{other}'"));
                return Err((error, responder));
            }
        }
        Ok(())
    }

    pub(super) fn volume_named(&self, name: &str) -> Result<VolumeId, ControlError> {
        let found = self.context.meta.read(|state| state.volume_by_name(name).map(|v| v.id));
        found
            .ok_or_else(no_cluster)?
            .ok_or_else(|| ControlError::not_found(format!("there is no volume '{name}'")))
    }

    fn hello(&self, hello: &params::Hello) -> Result<Value, ControlError> {
        if !(hello.protocol_min..=hello.protocol_max).contains(&PROTOCOL) {
            let message = format!("only protocol {PROTOCOL} is spoken here");
            return Err(ControlError::new("unsupported", message));
        }
        let cluster_id = self.context.trust.membership().map(|m| Hex(m.greeter.cluster));
        Ok(json!({
            "protocol": PROTOCOL,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "started_at_ms": self.context.started_at_ms,
            "peer_id": self.peer_id().map(|peer| peer.0),
            "cluster_id": cluster_id,
        }))
    }

    /// Whoever knows it already is told just that: control asks every few seconds, and a large state
    /// is much work on both sides.
    pub(super) fn state(&self, query: &params::StateQuery) -> Result<Value, ControlError> {
        let shared = self.context.meta.shared();
        let leader = shared.leader().map(|peer| peer.0);
        let (is_leader, reachable) = (shared.is_leader(), shared.is_reachable());
        let answer = |state: &ClusterState| {
            let (cluster, incarnation) = (state.cluster_id(), state.incarnation());
            let index = state.index();
            let tag = format!("{cluster}.{incarnation}.{index}.{leader:?}.{is_leader}.{reachable}");
            if query.known.as_ref() == Some(&tag) {
                return json!({ "tag": tag, "unchanged": true });
            }
            let mut view = state_json(state);
            if let Some(map) = view.as_object_mut() {
                map.insert("tag".into(), json!(tag));
                map.insert("leader".into(), json!(leader));
                map.insert("is_leader".into(), json!(is_leader));
                map.insert("reachable".into(), json!(reachable));
            }
            view
        };
        self.context.meta.read(answer).ok_or_else(no_cluster)
    }

    fn propose_for(&self, propose: params::Propose, responder: Responder) {
        self.context.meta.propose(propose.proposal_id, propose.command, move |result| {
            responder.answer(match result {
                Ok(done) => {
                    Ok(json!({ "outcome": outcome_json(&done.outcome), "index": done.index }))
                }
                Err(error) => Err(meta_error(&error)),
            });
        });
    }

    fn attach(&mut self, attach: params::Attach, responder: Responder) {
        let via = match attach.via.as_str() {
            "auto" => None,
            "ublk" => Some(Via::Ublk),
            "nbd" => Some(Via::Nbd),
            other => {
                let message = format!("'{other}' is no way to attach; auto, ublk or nbd");
                return responder.answer(Err(ControlError::bad_request(message)));
            }
        };
        self.attach_device(attach, via, responder);
    }

    fn create_export(&mut self, create: &params::CreateExport, responder: Responder) {
        let Some(peer) = self.peer_id() else { return responder.answer(Err(no_cluster())) };
        let own = self.context.config.nbd_socket.display().to_string();
        if create.socket.as_ref().is_some_and(|socket| *socket != own) {
            let message = format!("NBD exports of this peer are on {own}");
            return responder.answer(Err(ControlError::bad_request(message)));
        }
        let volume = match self.volume_named(&create.volume) {
            Ok(volume) => volume,
            Err(error) => return responder.answer(Err(error)),
        };
        let command = Command::CreateExport { volume, peer, kind: create.kind, path: own.clone() };
        let export = move |supervisor: &mut Self, claimed| match claimed {
            Ok(()) => supervisor.propose_export(command, own, responder),
            Err(error) => responder.answer(Err(error)),
        };
        self.claim(volume, create.takeover, Box::new(export));
    }

    fn propose_export(&mut self, command: Command, own: String, responder: Responder) {
        self.propose(command, move |supervisor, result| {
            let created = settled(result);
            supervisor.sync();
            responder.answer(created.map(|applied| {
                let export = match applied {
                    Applied::Export { export, .. } => Some(export),
                    _ => None,
                };
                json!({ "export_id": export, "socket": own })
            }));
        });
    }

    /// The last export of a volume without a device ends its attachment, too.
    fn delete_export(&mut self, delete: &params::DeleteExport, responder: Responder) {
        let export = delete.export_id;
        let read = |state: &ClusterState| state.exports().get(&export).map(|e| e.volume);
        let Some(Some(volume)) = self.context.meta.read(read) else {
            let error = ControlError::not_found(format!("there is no export {export}"));
            return responder.answer(Err(error));
        };
        if !delete.force && self.clients_of(volume) > 0 {
            let message = "NBD clients are connected; disconnect them, or use --force";
            return responder.answer(Err(ControlError::new("busy", message)));
        }
        self.propose(Command::DeleteExport { export }, move |supervisor, result| {
            let deleted = settled(result).map(|_| json!({}));
            supervisor.sync();
            responder.answer(deleted);
        });
    }
}
