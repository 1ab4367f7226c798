//! Writes (rules 4, 5).

use shoal_types::geometry::MESSAGE_BLOCKS_MAX;
use shoal_types::message::{Encoding, WriteRequest};
use shoal_types::{BLOCK_BYTES, Body, Refusal, Reply, Request, Role, StoreOp, Version, checksum};

use super::job::Job;
use super::{Member, ReplyTo};
use crate::cover::cover;
use crate::planted::{Bug, is_planted};

impl Member {
    pub(super) fn on_write(&mut self, to: ReplyTo, write: WriteRequest) {
        if let Err(refusal) = self.check_write(&write) {
            cover!("write of an older epoch refused");
            return self.refuse(to, refusal);
        }
        if self.was_refused(&write) {
            cover!("no space: refused for good");
            let WriteRequest { volume, pg, version, pg_epoch, .. } = write;
            return self.refuse_no_space(to, volume, pg, version, pg_epoch);
        }
        let mut watermark = self.newer_watermark(&write);
        if let Role::Joining { join_at } = write.role {
            let Some(session) = self.sessions.get_mut(&write.pg) else {
                return self.refuse(to, Refusal::NoSession);
            };
            if session.join_at != join_at && !is_planted(Bug::SessionUnchecked) {
                return self.refuse(to, Refusal::NoSession);
            }
            if !session.accepts {
                return match session.park(to, Request::Write(write)) {
                    Ok(()) => {}
                    Err(to) => self.refuse(to, Refusal::NoSession),
                };
            }
            session.written_live(write.layer, write.block, write.body.blocks());
            // A joiner that still holds leftovers must not call them settled (H7).
            let may = session.clean || is_planted(Bug::H7JoinerMovesWatermark);
            watermark = watermark.filter(|_| may);
            if watermark.is_some() {
                cover!("joiner moves its watermark");
            }
        }
        self.submit_write(to, write, watermark);
    }

    fn submit_write(&mut self, to: ReplyTo, write: WriteRequest, watermark: Option<Version>) {
        let WriteRequest { volume, pg, layer, block, version, pg_epoch: stamp, role, body, .. } =
            write;
        self.raise_head(volume, version.head_epoch);
        self.raise_pg(pg, stamp);
        let marks = self.marks.entry((pg, volume)).or_default();
        marks.newest = marks.newest.max(version);
        marks.watermark = marks.watermark.max(watermark.unwrap_or(Version::ZERO));
        let data = matches!(body, Body::Data { .. });
        let job = Job::Write { to, volume, pg, version, stamp, data };
        let op = StoreOp::Write { volume, pg, layer, block, version, stamp, watermark, body };
        if is_planted(Bug::AckBeforeDurable) {
            let free_blocks = self.free_blocks;
            self.reply(to, Reply::Written { version, pg_epoch: stamp, free_blocks });
            self.submit(Job::Silent, op);
            return;
        }
        let key = self.submit(job, op);
        if matches!(role, Role::Joining { .. }) {
            self.sessions.get_mut(&pg).expect("it took the write").live_open.insert(key);
        }
    }

    fn was_refused(&self, write: &WriteRequest) -> bool {
        if self.refused.is_empty() || is_planted(Bug::RefusedComesBack) {
            return false;
        }
        let refused = self.refused.get(&(write.pg, write.volume));
        let data = matches!(write.body, Body::Data { .. });
        data && refused.is_some_and(|refused| refused.has(write.version, write.pg_epoch))
    }

    fn check_write(&self, write: &WriteRequest) -> Result<(), Refusal> {
        self.check_fit(write.pg)?;
        self.check_head(write.volume, write.version.head_epoch)?;
        self.check_pg(write.pg, write.pg_epoch)?;
        if self.layers.get(&write.layer) != Some(&write.volume) {
            return Err(Refusal::Deleted);
        }
        if is_sound(write) { Ok(()) } else { Err(Refusal::BadBlock) }
    }

    fn newer_watermark(&self, write: &WriteRequest) -> Option<Version> {
        let known =
            self.marks.get(&(write.pg, write.volume)).map_or(Version::ZERO, |m| m.watermark);
        (write.watermark > known).then_some(write.watermark)
    }
}

/// Bytes from outside: sizes and sums must fit before anything relies on them.
fn is_sound(write: &WriteRequest) -> bool {
    let blocks = write.body.blocks();
    if blocks == 0 || blocks > MESSAGE_BLOCKS_MAX {
        return false;
    }
    if write.block.checked_add(u64::from(blocks)).is_none() {
        return false;
    }
    let Body::Data { data, crcs, encoding } = &write.body else { return true };
    let sum = |(i, bytes)| checksum::block_crc(write.layer, write.block + i as u64, bytes);
    *encoding == Encoding::PLAIN
        && data.len() == crcs.len() * BLOCK_BYTES
        && data.chunks_exact(BLOCK_BYTES).enumerate().map(sum).eq(crcs.iter().copied())
}
