//! Bugs that tests switch on to prove that the crash enumeration finds them. In a product build
//! the question is the constant `false` and costs nothing.

#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Cells that a live log record names are reused at once.
    FreeNamed,
    /// Folded data is not synced before the metadata log names it.
    NoSyncBeforeSet,
    /// The tail moves before the entries are in the metadata log.
    TailEarly,
    /// A page's new image overwrites the one that the newest root names.
    PageInPlace,
    /// The root is written before the pages it names are synced.
    RootBeforePages,
    /// Large writes go to cells without waiting for durability.
    DirectNotDurable,
    /// A batch is taken without looking at the chain.
    NoChain,
    /// A torn batch is taken without looking at its blocks' checksums.
    NoDataCrc,
    /// Tables are not written with the tail.
    NoTables,
    /// Acknowledge when the batch is issued, not when it is durable.
    AckEarly,
    /// A replayed direct record takes cells again that the index owns.
    ReplayOwned,
    /// No sync of the device before recovery reads it.
    NoSyncAtStart,
    /// The tail is moved to the log's end instead of the cut.
    TailTooFar,
    /// The tail does not wait for writes that superseded blocks which the fold left out.
    TailUnwaiting,
    /// Of blocks above the watermark a fold keeps one version for all.
    FoldAboveWatermark,
    /// Whoever overwrites a cell of the index is admitted, whatever is about to take that cell.
    OverCommit,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

#[cfg(test)]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// True while a test has planted this bug.
#[cfg(test)]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_planted($crate::planted::Bug::$bug)
    };
}

#[cfg(not(test))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub(crate) use planted;
