//! What a refusal means, whatever was refused.

use shoal_types::{DiskId, Refusal, Reply};

use super::Head;
use super::api::{ClientError, HeadCommand, HeadPhase, ReportReason};
use super::links::LayerState;
use super::pg::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This head is over; nothing of it may be touched any more.
    Ended,
    /// A newer view will send it again.
    AwaitView,
    /// Passing: try again in a while, or elsewhere.
    Retry,
}

impl Head {
    pub(super) fn judge_refusal(&mut self, slot: Slot, disk: DiskId, refusal: &Refusal) -> Next {
        match refusal {
            Refusal::StaleHead { installed } | Refusal::NotInstalled { installed }
                if *installed > self.head_epoch =>
            {
                self.fence(*installed);
                return Next::Ended;
            }
            Refusal::StalePg { seen } if *seen > self.pgs[slot].epoch() => {
                self.want_view(slot, *seen);
                return Next::AwaitView;
            }
            // A store that was made anew serves only once the record says so (rule 30): a newer view
            // leaves it out, or has it join; its member only has not heard of that yet. NOBODY IS TOLD: it
            // may be in sync in other groups by now, and would lose these, too.
            Refusal::NotMember | Refusal::Unfit => self.refresh_view(slot),
            Refusal::Fenced => self.report(disk, ReportReason::StoreFenced),
            Refusal::NoSpace => self.report_full(disk, slot),
            Refusal::Deleted => {
                let link = self.disk(disk);
                if link.layer == LayerState::Open {
                    link.layer = LayerState::Unknown;
                }
                self.open_layer(disk);
                self.reopen_layer(disk);
            }
            Refusal::StaleHead { .. }
            | Refusal::NotInstalled { .. }
            | Refusal::StalePg { .. }
            | Refusal::NoSession
            | Refusal::BadBlock
            | Refusal::NotFound => {}
        }
        Next::Retry
    }

    pub(super) fn on_layer_reply(&mut self, disk: DiskId, reply: Reply) {
        self.disk(disk).layer = match reply {
            Reply::LayerOpened => LayerState::Open,
            Reply::Refused(Refusal::NoSpace) => LayerState::NoRoom { at_us: self.now_us },
            _ => LayerState::Unknown,
        };
        self.layers_without_room = self.disks.keys().any(|disk| self.has_no_layer(*disk));
        match reply {
            Reply::Refused(Refusal::Deleted) => self.end_deleted(),
            Reply::Refused(Refusal::StaleHead { installed }) if installed > self.head_epoch => {
                self.fence(installed);
            }
            _ => {}
        }
    }

    fn end_deleted(&mut self) {
        self.phase = HeadPhase::Fenced;
        self.fail_everything(ClientError::Deleted);
        self.out.push(HeadCommand::Fenced { installed: self.head_epoch });
    }
}
