//! Branches worth taking, by name. With the feature `planted` a simulator sees which of them its
//! runs took; without it nothing of this is in the code.

/// Every name that `cover!` is called with.
pub const POINTS: &[&str] = &[
    "answer of a round that is over",
    "bad block everywhere",
    "bad block everywhere, and one joins",
    "bad block under an older view",
    "bad copy passed over",
    "block by block",
    "clean joiner takes over a newest version",
    "clean joiner takes over watermarks",
    "collect discarded by a view",
    "confirm round failed",
    "copied block by block",
    "copy passed over a live write",
    "entry gone before it was read",
    "fenced by a newer head",
    "full join",
    "join failed: restarted",
    "join failed: source left",
    "join failed: store",
    "joiner moves its watermark",
    "live write parked",
    "no space: not even for the layer",
    "no space: one asked first",
    "no space: refused before anybody else was asked",
    "no space: refused for good",
    "no space: the old content is bad",
    "no space: undone",
    "no space: undo resumed",
    "no space: zeros that leave no trace",
    "no space: zeros where nothing was",
    "re-stamped in flight",
    "repair from another copy",
    "roll of a block that only the joiner has",
    "roll of zeros",
    "roll passes over a version that was never complete",
    "write of an older epoch refused",
];

#[cfg(feature = "planted")]
thread_local! {
    static HIT: std::cell::RefCell<std::collections::BTreeMap<&'static str, u64>> =
        const { std::cell::RefCell::new(std::collections::BTreeMap::new()) };
}

/// This thread took the branch.
#[cfg(feature = "planted")]
pub fn hit(point: &'static str) {
    debug_assert!(POINTS.contains(&point), "{point} is not listed");
    HIT.with_borrow_mut(|hit| *hit.entry(point).or_default() += 1);
}

/// What this thread took since the last call.
#[cfg(feature = "planted")]
pub fn take() -> std::collections::BTreeMap<&'static str, u64> {
    HIT.take()
}

/// Nothing, in a build that cannot tell.
#[cfg(not(feature = "planted"))]
pub fn take() -> std::collections::BTreeMap<&'static str, u64> {
    std::collections::BTreeMap::new()
}

macro_rules! cover {
    ($point:literal) => {
        #[cfg(feature = "planted")]
        $crate::cover::hit($point);
    };
}

pub(crate) use cover;
