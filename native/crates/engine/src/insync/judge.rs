//! The leader's judgement of a removal (DESIGN: a head that alone cannot reach what others reach
//! must not shrink in-sync sets).

use shoal_types::{DiskId, PeerId};

/// What a head (or member) says about a disk that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    pub reporter: PeerId,
    pub disk: DiskId,
    pub reported_ms: u64,
}

/// The leader's own attempt to reach the disk's peer on the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    Unknown,
    Reached,
    /// Nothing came back, or not what was asked for.
    Failed,
    /// The host is there and says that nobody listens: the process is gone.
    Refused,
}

/// All that the leader knows about one disk at the moment of judging.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub disk: DiskId,
    /// The peer that carries it.
    pub owner: PeerId,
    /// The owner's session lease ran out.
    pub session_lapsed: bool,
    /// The store itself said that it is fenced or unfit.
    pub store_out: bool,
    pub reports: &'a [Report],
    /// Reports older than this are worth nothing.
    pub report_age_ms_max: u64,
    pub probe: Probe,
    /// Who probed, where that is one that reports, too.
    pub prober: Option<PeerId>,
    /// Peers that could report at all: alive, not the owner.
    pub possible_reporters: usize,
    pub now_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovalReason {
    SessionLapsed,
    StoreOut,
    IndependentReports,
    LeaderProbe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Remove(RemovalReason),
    /// Not proven; ask again with more evidence.
    Wait,
    /// Only this peer cannot reach what the leader reaches: its heads should go elsewhere.
    BlameReporter(PeerId),
}

/// Independent reporters that prove a loss: distinct peers, neither of them the owner.
const REPORTERS_MIN: usize = 2;

/// Removal is safe whoever asks for it (an in-sync set only shrinks to holders of every
/// acknowledged write); this decides whether it is *wise*.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    if evidence.session_lapsed {
        return Verdict::Remove(RemovalReason::SessionLapsed);
    }
    if evidence.store_out {
        return Verdict::Remove(RemovalReason::StoreOut);
    }
    let (first, distinct) = distinct_reporters(evidence);
    let Some(first) = first else { return Verdict::Wait };
    if distinct >= REPORTERS_MIN {
        return Verdict::Remove(RemovalReason::IndependentReports);
    }
    // The leader's own eyes are a second pair unless it is the reporter itself; then a third pair is
    // waited for, except in clusters too small to have one.
    let are_others = evidence.prober.is_some_and(|prober| prober != first);
    match evidence.probe {
        Probe::Failed | Probe::Refused
            if are_others || evidence.possible_reporters <= REPORTERS_MIN =>
        {
            Verdict::Remove(RemovalReason::LeaderProbe)
        }
        Probe::Reached => Verdict::BlameReporter(first),
        Probe::Failed | Probe::Refused | Probe::Unknown => Verdict::Wait,
    }
}

fn distinct_reporters(evidence: &Evidence<'_>) -> (Option<PeerId>, usize) {
    let fresh = |r: &&Report| {
        r.disk == evidence.disk
            && r.reporter != evidence.owner
            && evidence.now_ms.saturating_sub(r.reported_ms) <= evidence.report_age_ms_max
    };
    let mut peers: Vec<PeerId> =
        evidence.reports.iter().filter(fresh).map(|r| r.reporter).collect();
    peers.sort_unstable();
    peers.dedup();
    (peers.first().copied(), peers.len())
}
