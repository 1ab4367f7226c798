//! What the cluster hears of a store before it serves, and what it thinks of it.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use shoal_meta::hex::{Hex, StoreUuid};
use shoal_meta::state::{Command, Rejection};
use shoal_store::Store;
use shoal_types::{DiskId, PgEpoch, PgId};

use super::{Inlet, Supervisor, rebuild};

/// What the cluster thinks of a store that was announced.
pub(super) enum Standing {
    Fit,
    /// To be filled by full resyncs.
    Unfit,
    /// It lost writes, and nothing that it holds is needed.
    Worthless,
}

/// BEFORE A STORE SERVES, the cluster hears which store this is and how far its log has come: one
/// that is not the disk's, or was rolled back, is not believed (docs/protocol.md rule 30).
pub(super) fn announce(
    disk: DiskId,
    path: &Path,
    store: &Store,
    lost_writes: bool,
    inlet: &Inlet,
) -> Receiver<Result<Standing, String>> {
    let (answer, announced) = sync_channel(1);
    let (uuid, session) = (Hex(store.identity().store_uuid), store.log_position());
    let coming = Coming { disk, store: uuid, session, lost_writes };
    let (epochs, path) = (store.pgs(), path.display().to_string());
    inlet.go_on(move |supervisor| match supervisor.is_missed(disk) {
        false => coming.announce(supervisor, false, answer),
        true => coming.bring_back(supervisor, epochs, path, answer),
    });
    announced
}

struct Coming {
    disk: DiskId,
    store: StoreUuid,
    session: u64,
    lost_writes: bool,
}

type Answer = SyncSender<Result<Standing, String>>;

impl Coming {
    /// FIRST, in a cluster that was restored from its disks: which copies count is known only with
    /// the epochs that this store had installed.
    fn bring_back(
        self,
        supervisor: &Supervisor,
        epochs: Vec<(PgId, PgEpoch)>,
        path: String,
        answer: Answer,
    ) {
        let Some(peer) = supervisor.peer_id() else { return };
        let (disk, store) = (self.disk, self.store);
        let was_filled = supervisor.is_filled(disk);
        let command = Command::ReturnDisk { disk, store, peer, path, epochs };
        supervisor.propose(command, move |supervisor, result| match result {
            Ok(Ok(_)) => self.announce(supervisor, was_filled, answer),
            other => drop(answer.send(Err(format!("not taken back: {other:?}")))),
        });
    }

    /// `is_whole`: groups that are to be filled anew are so for what it missed, not for a loss.
    fn announce(self, supervisor: &mut Supervisor, is_whole: bool, answer: Answer) {
        let Self { disk, store, session, lost_writes } = self;
        if lost_writes {
            return report_unfit(supervisor, disk, answer);
        }
        let command = Command::AnnounceStore { disk, store, session };
        supervisor.propose(command, move |supervisor, result| match result {
            Ok(Ok(_)) if is_whole || supervisor.is_filled(disk) => {
                drop(answer.send(Ok(Standing::Fit)));
            }
            Ok(Ok(_)) => drop(answer.send(Ok(Standing::Unfit))),
            Ok(Err(Rejection::Stale { .. } | Rejection::Invalid { .. })) => {
                report_unfit(supervisor, disk, answer);
            }
            Ok(Err(other)) => drop(answer.send(Err(format!("not announced: {other:?}")))),
            Err(error) => drop(answer.send(Err(format!("not announced: {error:?}")))),
        });
    }
}

impl Supervisor {
    fn is_missed(&self, disk: DiskId) -> bool {
        self.context.meta.read(|state| state.restored().missing.contains(&disk)) == Some(true)
    }
}

/// ONLY ONCE IT IS DECIDED the store goes on: what is left unsaid here, the next start may not see.
fn report_unfit(
    supervisor: &mut Supervisor,
    disk: DiskId,
    answer: SyncSender<Result<Standing, String>>,
) {
    supervisor.propose(Command::MarkStoreUnfit { disk }, move |_, result| {
        let said = match result {
            Ok(Ok(_)) if rebuild::is_out(&result) => Ok(Standing::Worthless),
            Ok(Ok(_)) => Ok(Standing::Unfit),
            other => Err(format!("its lost writes are not reported: {other:?}")),
        };
        let _the_thread_may_be_gone = answer.send(said);
    });
}
