//! Bugs planted on purpose, each a rule left out; compiled only with the feature `planted`, and
//! switched on per thread. The simulator must find them: else it would not find real ones.

/// Names as in docs/protocol.md, "What goes wrong".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A write is acknowledged without the joiner.
    H1AckWithoutJoiner,
    /// A write is acknowledged while one of its targets has not answered.
    AckWithoutAll,
    /// Answers are counted, not members: one that was asked twice counts twice.
    DuplicateCounted,
    /// Collected answers outlive a change of the view.
    H2AnswersOutliveEpoch,
    /// The joiner is left out of the collect round.
    H3JoinerLeftOut,
    /// A resync goes by stamps alone.
    H4StampsOnly,
    /// A resync leaves out what was written in the first epoch without the member.
    ResyncSkipsAnEpoch,
    /// A new stamp is acknowledged and not stored.
    H5StampNotStored,
    /// Acknowledgements count across epochs.
    H6AcksAcrossEpochs,
    /// A joiner with leftovers moves its watermark.
    H7JoinerMovesWatermark,
    /// The watermark of the new head is told during roll-forward.
    H8WatermarkInRollForward,
    /// A joiner goes on in the session of before its restart.
    H9SessionOutlivesRestart,
    /// The source may leave while it is copied from.
    H10SourceLeaves,
    /// A session begins without the source's heads.
    H11SessionWithoutHeads,
    /// Copies go over live writes.
    H12CopyAlways,
    /// Reads are confirmed by the in-sync members alone.
    H13ConfirmWithoutJoiner,
    /// A joiner that is cancelled counts as having been in sync.
    H15OutAtOfJoiner,
    /// A wiped store comes back as if nothing had happened.
    H18WipeUnnoticed,
    /// The lease is not looked at.
    LeaseIgnored,
    /// Reads do not wait for writes of the same blocks.
    ReadPassesWrite,
    /// The member answers before the store is done.
    AckBeforeDurable,
    /// A member takes writes of an older PG epoch.
    StalePgAccepted,
    /// A member takes writes of an older head.
    StaleHeadAccepted,
    /// A write without room at one member is refused and left at the others.
    NoSpaceNotUndone,
    /// A write that a member refused for space is taken when it comes once more.
    RefusedComesBack,
    /// Nothing is rolled forward.
    NoRollForward,
    /// An older image of a disk is taken for the disk.
    RollbackUnnoticed,
    /// The lease is counted from the reply.
    LeaseFromReply,
    /// A head is granted while the old one's lease still runs.
    LeaseNotWaitedOut,
    /// A removal does not raise the PG's epoch.
    RemovalWithoutEpoch,
    /// A resync's source is any other member.
    SourceByPresence,
    /// A joiner is read from.
    JoinerServesReads,
    /// A resync passes over what is absent or zero at the source.
    DiscardsMissed,
    /// A volume is taken again under the same head epoch.
    SameHeadEpoch,
    /// Nobody compares bytes with their checksum.
    ChecksumIgnored,
    /// A failed write is acknowledged.
    WriteErrorIgnored,
    /// The watermark passes over writes in flight.
    WatermarkTooHigh,
    /// A joiner takes live writes of any session.
    SessionUnchecked,
    /// Damage is told under a view that may be old.
    DamageOfOldView,
    /// Zeros leave no trace while somebody is away or joins.
    TracelessAlways,
    /// A fenced device is taken back under a later attachment of its peer.
    FencedTakenBack,
    /// The head of a fenced device is not given back.
    FencedNotGivenBack,
    /// A dead session is restarted once, whatever the answer.
    JoinRestartedOnce,
    /// A leader grants leases without asking whether it still leads.
    LeaseUnconfirmed,
    /// A new leader does not wait for leases of the one before.
    OlderLeasesForgotten,
    /// A voter that lost its log votes again.
    LostLogVotes,
    /// A head is taken without comparing the attachment's generation or peer.
    GenerationUnchecked,
    /// A new lease counts before the state shows what was given away.
    GrantBeforeState,
    /// A sound voter is removed before one that lost its log.
    SoundVoterGoesFirst,
    /// A deleted volume's cells are never freed.
    DeletedLayerKept,
    /// Heads of a peer's earlier process are not given back.
    OrphansKept,
}

impl Bug {
    pub const ALL: [Self; 51] = [
        Self::H1AckWithoutJoiner,
        Self::AckWithoutAll,
        Self::DuplicateCounted,
        Self::H2AnswersOutliveEpoch,
        Self::H3JoinerLeftOut,
        Self::H4StampsOnly,
        Self::ResyncSkipsAnEpoch,
        Self::H5StampNotStored,
        Self::H6AcksAcrossEpochs,
        Self::H7JoinerMovesWatermark,
        Self::H8WatermarkInRollForward,
        Self::H9SessionOutlivesRestart,
        Self::H10SourceLeaves,
        Self::H11SessionWithoutHeads,
        Self::H12CopyAlways,
        Self::H13ConfirmWithoutJoiner,
        Self::H15OutAtOfJoiner,
        Self::H18WipeUnnoticed,
        Self::LeaseIgnored,
        Self::ReadPassesWrite,
        Self::AckBeforeDurable,
        Self::StalePgAccepted,
        Self::StaleHeadAccepted,
        Self::NoSpaceNotUndone,
        Self::RefusedComesBack,
        Self::NoRollForward,
        Self::RollbackUnnoticed,
        Self::LeaseFromReply,
        Self::LeaseNotWaitedOut,
        Self::RemovalWithoutEpoch,
        Self::SourceByPresence,
        Self::JoinerServesReads,
        Self::DiscardsMissed,
        Self::SameHeadEpoch,
        Self::ChecksumIgnored,
        Self::WriteErrorIgnored,
        Self::WatermarkTooHigh,
        Self::SessionUnchecked,
        Self::DamageOfOldView,
        Self::TracelessAlways,
        Self::FencedTakenBack,
        Self::FencedNotGivenBack,
        Self::JoinRestartedOnce,
        Self::LeaseUnconfirmed,
        Self::OlderLeasesForgotten,
        Self::LostLogVotes,
        Self::GenerationUnchecked,
        Self::GrantBeforeState,
        Self::SoundVoterGoesFirst,
        Self::DeletedLayerKept,
        Self::OrphansKept,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Switches one bug on in this thread, or all off.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.with(|planted| planted.set(bug));
}

#[cfg(feature = "planted")]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.with(|planted| planted.get() == Some(bug))
}

/// Without the feature there are no bugs, and nothing of this is left in the code.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is_planted(_bug: Bug) -> bool {
    false
}
