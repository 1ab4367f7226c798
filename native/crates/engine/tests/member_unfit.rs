//! A store made in place of a lost one (rule 30).

use shoal_engine::member::{Member, MemberConfig, MemberEvent, MemberOutput, Recovered, ReplyTo};
use shoal_types::pg::Joining;
use shoal_types::{
    DiskId, HeadEpoch, PgEpoch, PgId, PgView, Refusal, Reply, Request, Role, VolumeId,
};

const ME: DiskId = DiskId(1);
const SOURCE: DiskId = DiskId(3);
const PG: PgId = PgId::new(1, 0);

fn install(pg_epoch: u32, role: Role) -> Request {
    let (volume, head_epoch, pg_epoch) = (VolumeId(1), HeadEpoch(9), PgEpoch(pg_epoch));
    Request::Install { volume, pg: PG, head_epoch, pg_epoch, role, after: None }
}

fn ask(member: &mut Member, request: Request) -> Vec<MemberOutput> {
    let mut outputs = Vec::new();
    member.handle(MemberEvent::Request { to: ReplyTo(1), request }, &mut outputs);
    outputs
}

fn unfit() -> Member {
    let config = MemberConfig { disk: ME, fit: false, copy_window_bytes: 4096 };
    Member::new(config, Recovered::default())
}

#[test]
fn a_head_with_an_old_view_never_finds_an_empty_member() {
    let mut member = unfit();
    let refused = |outputs: &[MemberOutput], refusal: Refusal| {
        let reply = Reply::Refused(refusal);
        assert!(matches!(outputs, [MemberOutput::Reply { reply: r, .. }] if *r == reply));
    };
    refused(&ask(&mut member, install(4, Role::InSync)), Refusal::Unfit);
    // A full join begins: asked of the source, not answered yet.
    let join_at = PgEpoch(6);
    let joining = Joining { disk: ME, join_at, out_at: PgEpoch(4), full: true };
    let (in_sync, members) = (vec![SOURCE], vec![ME, SOURCE]);
    let view = PgView { pg: PG, epoch: join_at, in_sync, joining: Some(joining), members };
    member.handle(MemberEvent::View(view), &mut Vec::new());
    // The head knows the epoch before, in which this disk was in sync.
    let old = Refusal::StalePg { seen: join_at };
    refused(&ask(&mut member, install(4, Role::InSync)), old);
    // The one that knows better is served.
    let outputs = ask(&mut member, install(6, Role::Joining { join_at }));
    assert!(matches!(outputs[..], [MemberOutput::Store { .. }]));
}

/// A group that was made with this disk never had another copy to be filled from.
#[test]
fn a_group_that_the_record_counts_it_in_is_served_from_that_epoch_on() {
    let mut member = unfit();
    member.handle(MemberEvent::Admit { pg: PG, epoch: PgEpoch(3) }, &mut Vec::new());
    let stale = ask(&mut member, install(2, Role::InSync));
    let old = Reply::Refused(Refusal::StalePg { seen: PgEpoch(3) });
    assert!(matches!(&stale[..], [MemberOutput::Reply { reply, .. }] if *reply == old));
    let outputs = ask(&mut member, install(3, Role::InSync));
    assert!(matches!(outputs[..], [MemberOutput::Store { .. }]));
}
