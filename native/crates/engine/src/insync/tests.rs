use shoal_types::{DiskId, PeerId, PgEpoch, PgId};

use super::*;

const A: DiskId = DiskId(1);
const B: DiskId = DiskId(2);
const C: DiskId = DiskId(3);

fn record() -> PgRecord {
    PgRecord::new(PgId::new(1, 0), &[A, B, C])
}

#[test]
fn removal_remembers_the_last_epoch_in_sync() {
    let mut pg = record();
    pg.remove(C, Some(PgEpoch(1))).unwrap();
    assert_eq!(pg.epoch, PgEpoch(2));
    assert_eq!(pg.in_sync, [A, B]);
    assert_eq!(pg.member(C).unwrap().out_at, PgEpoch(1));
    assert_eq!(pg.last_full, PgEpoch(1));
    assert_eq!(pg.remove(C, None), Err(InsyncError::NotInSync));
    assert_eq!(pg.remove(B, Some(PgEpoch(1))), Err(InsyncError::Stale { epoch: PgEpoch(2) }));
}

#[test]
fn last_in_sync_member_stays() {
    let mut pg = record();
    pg.remove(A, None).unwrap();
    pg.remove(B, None).unwrap();
    assert_eq!(pg.remove(C, None), Err(InsyncError::LastInSync));
    assert_eq!(pg.mark_full(C), Ok(false));
    assert_eq!(pg.in_sync, [C]);
    let e = pg.join(A, pg.epoch).unwrap();
    assert_eq!(pg.mark_in_sync(A, e, C), Err(InsyncError::BadSource));
}

#[test]
fn join_ends_only_in_its_own_session() {
    let mut pg = record();
    pg.remove(C, None).unwrap();
    let first = pg.join(C, pg.epoch).unwrap();
    assert_eq!(pg.join(A, pg.epoch), Err(InsyncError::AlreadyInSync));
    let second = pg.join(C, pg.epoch).unwrap();
    assert!(second > first);
    assert_eq!(pg.mark_in_sync(C, first, A), Err(InsyncError::NoSession));
    pg.remove(A, None).unwrap();
    assert_eq!(pg.mark_in_sync(C, second, A), Err(InsyncError::BadSource));
    assert_eq!(pg.join(A, pg.epoch), Err(InsyncError::Busy { joining: C }));
    let third = pg.join(C, pg.epoch).unwrap();
    pg.mark_in_sync(C, third, B).unwrap();
    assert_eq!(pg.in_sync, [B, C]);
    assert_eq!(pg.joining, None);
}

/// What A took without the survivor C, in epochs that C never heard of, is found by its stamps.
#[test]
fn who_leaves_after_a_recovery_is_sure_only_of_what_was_before_it() {
    let mut pg = record();
    pg.remove(B, None).unwrap();
    let known = pg.epoch;
    pg.jump();
    assert!(pg.epoch.0 > known.0 + 1_000 && pg.in_sync == [A, C]);
    pg.remove(A, None).unwrap();
    assert_eq!(pg.member(A).unwrap().out_at, known);
    assert_eq!(pg.member(B).unwrap().out_at, PgEpoch(1), "it was out before");
    for disk in [A, B] {
        let session = pg.join(disk, pg.epoch).unwrap();
        pg.mark_in_sync(disk, session, C).unwrap();
    }
    for disk in [A, B] {
        let last = pg.epoch;
        pg.remove(disk, None).unwrap();
        assert_eq!(pg.member(disk).unwrap().out_at, last, "it was filled since");
    }
}

#[test]
fn a_second_recovery_does_not_hide_the_first() {
    let mut pg = record();
    pg.jump();
    pg.jump();
    pg.remove(A, None).unwrap();
    assert_eq!(pg.member(A).unwrap().out_at, PgEpoch(1));
}

/// H15: raising `out_at` of a mere joiner would hide what it missed before.
#[test]
fn cancelled_joiner_keeps_its_out_at() {
    let mut pg = record();
    pg.remove(C, None).unwrap();
    let out_at = pg.member(C).unwrap().out_at;
    pg.join(C, pg.epoch).unwrap();
    pg.remove(C, None).unwrap();
    assert_eq!(pg.member(C).unwrap().out_at, out_at);
    assert_eq!(pg.view().joining, None);
}

#[test]
fn wiped_member_is_rebuilt_whole() {
    let mut pg = record();
    assert_eq!(pg.mark_full(C), Ok(true));
    let join_at = pg.join(C, pg.epoch).unwrap();
    let joining = pg.view().joining.unwrap();
    assert!(joining.full);
    assert_eq!(joining.join_at, join_at);
    pg.mark_in_sync(C, join_at, A).unwrap();
    assert!(!pg.member(C).unwrap().full);
    assert_eq!(pg.last_full, pg.epoch);
}

#[test]
fn new_member_list_keeps_a_holder() {
    let mut pg = record();
    let d = DiskId(4);
    assert_eq!(pg.set_members(&[d], pg.epoch), Err(InsyncError::BadMembers));
    assert_eq!(pg.set_members(&[A, A], pg.epoch), Err(InsyncError::BadMembers));
    pg.set_members(&[B, d, A], pg.epoch).unwrap();
    assert_eq!(pg.in_sync, [B, A]);
    assert!(pg.member(d).unwrap().full);
    assert!(!pg.tombstone_may_go(PgEpoch(2)));
    pg.set_members(&[B, d, A, C], pg.epoch).unwrap();
    assert!(pg.member(C).unwrap().full, "it left the list: what it holds is forgotten");
}

fn evidence(reports: &[Report]) -> Evidence<'_> {
    Evidence {
        disk: A,
        owner: PeerId(1),
        session_lapsed: false,
        store_out: false,
        reports,
        report_age_ms_max: 1000,
        probe: Probe::Unknown,
        prober: Some(PeerId(2)),
        possible_reporters: 4,
        now_ms: 5000,
    }
}

fn report(peer: u64, at: u64) -> Report {
    Report { reporter: PeerId(peer), disk: A, reported_ms: at }
}

#[test]
fn one_reporter_proves_nothing() {
    let one = [report(2, 4500), report(2, 4900), report(1, 4900), report(3, 3000)];
    assert_eq!(judge(&evidence(&one)), Verdict::Wait);
    let reached = Evidence { probe: Probe::Reached, ..evidence(&one) };
    assert_eq!(judge(&reached), Verdict::BlameReporter(PeerId(2)));
    let two = [report(2, 4500), report(3, 4900)];
    assert_eq!(judge(&evidence(&two)), Verdict::Remove(RemovalReason::IndependentReports));
    assert_eq!(judge(&evidence(&[])), Verdict::Wait);
}

#[test]
fn the_leaders_probe_is_a_second_witness_or_all_that_there_is() {
    let one = [report(2, 4500)];
    let big = Evidence { probe: Probe::Failed, ..evidence(&one) };
    assert_eq!(judge(&big), Verdict::Wait);
    let tiny = Evidence { possible_reporters: 2, ..big };
    assert_eq!(judge(&tiny), Verdict::Remove(RemovalReason::LeaderProbe));
    let others = Evidence { prober: Some(PeerId(3)), ..big };
    assert_eq!(judge(&others), Verdict::Remove(RemovalReason::LeaderProbe));
    let lapsed = Evidence { session_lapsed: true, ..evidence(&[]) };
    assert_eq!(judge(&lapsed), Verdict::Remove(RemovalReason::SessionLapsed));
}
