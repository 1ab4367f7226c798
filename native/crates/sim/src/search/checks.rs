//! What must be true in the smallest world, after each step.

use shoal_engine::head::{ClientReply, Segment};

use super::small::{Doing, LAYER, MemberSlot, PG, Small};
use crate::check::value::value_of;
use crate::check::{Action as Effect, is_linearizable};

impl Small {
    pub(super) fn completed(&mut self, op: u64, result: Option<ClientReply>) {
        let Some(at) = self.doing.iter().position(|d| d.op == op) else { return };
        let doing = self.doing.remove(at);
        let end = self.tick();
        let effect = match (doing.value, result) {
            (Some(value), Some(_)) => {
                // Zeros need not leave anything (docs/protocol.md rule 31).
                if value != 0 {
                    self.note_acked(&doing, value);
                }
                Effect::Write(value)
            }
            (None, Some(ClientReply::Read(segments))) => {
                let first = segments.first().expect("a block");
                let value = match first {
                    Segment::Data(data) => value_of(data).unwrap_or(u64::MAX),
                    Segment::Zeros(_) => 0,
                };
                Effect::Read(value)
            }
            _ => return self.unknown(&doing),
        };
        let register = &mut self.histories[doing.block as usize];
        register.add(doing.start, Some(end), effect);
        let mut known = register.clone();
        for other in self.doing.iter().filter(|d| d.block == doing.block) {
            if let Some(value) = other.value {
                known.add(other.start, None, Effect::Write(value));
            }
        }
        if !is_linearizable(&known) {
            let lines = known.lines().join("; ");
            self.fail(format!("block {} is not linearizable: {lines}", doing.block));
        }
    }

    /// Acknowledged: every in-sync member holds it, or something newer.
    fn note_acked(&mut self, doing: &Doing, value: u64) {
        let holds = |m: &MemberSlot| {
            let entry = m.store.durable().blocks.get(&(PG, LAYER, doing.block))?;
            let read = m.store.read_now(PG, LAYER, doing.block).ok()?;
            let held = match read {
                shoal_types::BlockState::Data { data, .. } => value_of(&data),
                _ => Some(0),
            };
            // A later head may have rolled it forward already, under a version of its own.
            let own = u64::from(entry.version.head_epoch.0) == doing.head;
            (own && held == Some(value)).then_some(entry.version)
        };
        if let Some(version) = self.members.iter().find_map(holds) {
            self.acked.push((doing.block, version));
        }
        self.check_acked("was acknowledged");
    }

    pub(super) fn check_acked(&mut self, when: &str) {
        for (block, version) in &self.acked {
            for slot in self.members.iter().filter(|m| self.record.is_in_sync(m.disk)) {
                let entry = slot.store.durable().blocks.get(&(PG, LAYER, *block));
                if entry.is_none_or(|e| e.version < *version) {
                    let why = format!(
                        "something {when}, and {} lacks block {block} at {version:?}",
                        slot.disk
                    );
                    self.broken.get_or_insert(why);
                }
            }
        }
    }

    /// Nothing is under way and the newest head serves: all in-sync members are equal.
    pub(super) fn check_at_rest(&mut self) {
        let newest = self.heads.iter().any(|h| h.active && h.epoch == self.epoch);
        if !self.net.is_empty() || !self.doing.is_empty() || !newest || self.heads.len() > 1 {
            return;
        }
        let told = self.heads[0].told == self.record.epoch;
        if !told || self.heads[0].head.status().pieces_in_flight > 0 {
            return;
        }
        for block in 0..self.blocks {
            let state = |m: &MemberSlot| match m.store.read_now(PG, LAYER, block) {
                Ok(shoal_types::BlockState::Data { data, .. }) => value_of(&data),
                _ => Some(0),
            };
            let in_sync = || self.members.iter().filter(|m| self.record.is_in_sync(m.disk));
            let first = in_sync().next().map(state);
            if in_sync().any(|m| Some(state(m)) != first) {
                return self.fail(format!("at rest, and block {block} differs"));
            }
        }
    }

    fn fail(&mut self, why: String) {
        self.broken.get_or_insert(why);
    }
}
