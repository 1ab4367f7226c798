//! What an observer sees.

use shoal_types::{HeadEpoch, PgId, PgView};

use super::Head;
use super::api::{HeadConfig, HeadStatus};

impl Head {
    pub fn status(&self) -> HeadStatus {
        let min = self.config.min_in_sync as usize;
        let below = |pg: &&super::pg::Pg| pg.view.is_some() && pg.in_sync().len() < min;
        HeadStatus {
            phase: self.phase,
            head_epoch: self.head_epoch,
            pgs: self.pgs.len() as u32,
            pgs_active: self.pgs.iter().filter(|pg| pg.is_active()).count() as u32,
            pgs_below_min: self.pgs.iter().filter(below).count() as u32,
            ops_in_flight: self.ops.len() as u32,
            pieces_in_flight: self.pieces.len() as u32,
            oldest_arrived_us: self
                .ops
                .iter()
                .map(|(_, op)| op.trace.arrived_us)
                .min()
                .unwrap_or(0),
            lease_valid_until_us: self.lease_until_us,
        }
    }

    /// What this head knows of a PG.
    pub fn view(&self, pg: PgId) -> Option<&PgView> {
        let known = self.pgs.iter().find(|known| known.id == pg)?;
        known.view.as_ref()
    }

    pub fn head_epoch(&self) -> HeadEpoch {
        self.head_epoch
    }

    pub fn config(&self) -> &HeadConfig {
        &self.config
    }
}
