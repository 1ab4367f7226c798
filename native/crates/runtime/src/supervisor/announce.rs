//! What the cluster hears of a store before it serves, and what it thinks of it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use shoal_meta::hex::Hex;
use shoal_meta::state::{Command, Rejection};
use shoal_store::Store;
use shoal_types::DiskId;

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
    store: &Store,
    lost_writes: bool,
    inlet: &Inlet,
) -> Receiver<Result<Standing, String>> {
    let (answer, announced) = sync_channel(1);
    let command = Command::AnnounceStore {
        disk,
        store: Hex(store.identity().store_uuid),
        session: store.log_position(),
    };
    inlet.go_on(move |supervisor| {
        if lost_writes {
            return report_unfit(supervisor, disk, answer);
        }
        supervisor.propose(command, move |supervisor, result| match result {
            Ok(Ok(_)) if supervisor.is_filled(disk) => drop(answer.send(Ok(Standing::Fit))),
            Ok(Ok(_)) => drop(answer.send(Ok(Standing::Unfit))),
            Ok(Err(Rejection::Stale { .. } | Rejection::Invalid { .. })) => {
                report_unfit(supervisor, disk, answer);
            }
            Ok(Err(other)) => drop(answer.send(Err(format!("not announced: {other:?}")))),
            Err(error) => drop(answer.send(Err(format!("not announced: {error:?}")))),
        });
    });
    announced
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
