//! Membership entries as the library stores them: a protobuf `ConfChangeV2` with one change.
//!
//! ```text
//! 12 len                changes[0], length below 128
//!    08 type            1 remove, 2 add learner; left out for 0, add voter
//!    10 varint          peer, never 0
//! ```
//! Nothing else is read: these bytes come from our own library, never from the network.

use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use shoal_types::PeerId;

use crate::state::ConfChange;

pub fn to_library(change: ConfChange) -> ConfChangeV2 {
    let (kind, _) = kind_of(change);
    let mut single = ConfChangeSingle::default();
    single.set_change_type(kind);
    single.node_id = change.peer().0;
    let mut wrapped = ConfChangeV2::default();
    wrapped.mut_changes().push(single);
    wrapped
}

fn kind_of(change: ConfChange) -> (ConfChangeType, u8) {
    match change {
        ConfChange::AddVoter { .. } => (ConfChangeType::AddNode, 0),
        ConfChange::Remove { .. } => (ConfChangeType::RemoveNode, 1),
        ConfChange::AddLearner { .. } => (ConfChangeType::AddLearnerNode, 2),
    }
}

pub fn to_bytes(change: ConfChange) -> Vec<u8> {
    let mut inner = match kind_of(change).1 {
        0 => vec![],
        kind => vec![0x08, kind],
    };
    inner.push(0x10);
    let mut rest = change.peer().0;
    while rest >= 0x80 {
        inner.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    inner.push(rest as u8);
    let mut bytes = vec![0x12, inner.len() as u8];
    bytes.extend(inner);
    bytes
}

/// `None`: not one change in exactly the form above.
pub fn from_bytes(bytes: &[u8]) -> Option<ConfChange> {
    let [0x12, length, inner @ ..] = bytes else { return None };
    let (kind, varint) = match inner {
        [0x10, varint @ ..] => (0, varint),
        [0x08, kind @ (1 | 2), 0x10, varint @ ..] => (*kind, varint),
        _ => return None,
    };
    let (last, high) = varint.split_last()?;
    let whole = *length as usize == inner.len() && high.iter().all(|b| b & 0x80 != 0);
    if !whole || last & 0x80 != 0 || varint.len() > 9 || *last == 0 {
        return None;
    }
    let peer = varint.iter().rev().fold(0u64, |value, b| value << 7 | u64::from(b & 0x7f));
    let peer = PeerId(peer);
    Some(match kind {
        0 => ConfChange::AddVoter { peer },
        1 => ConfChange::Remove { peer },
        _ => ConfChange::AddLearner { peer },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_only() {
        for peer in [1, 127, 128, 300, 1 << 40].map(PeerId) {
            for change in [
                ConfChange::AddVoter { peer },
                ConfChange::AddLearner { peer },
                ConfChange::Remove { peer },
            ] {
                let bytes = to_bytes(change);
                assert_eq!(from_bytes(&bytes), Some(change));
                for cut in 0..bytes.len() {
                    assert_eq!(from_bytes(&bytes[..cut]), None);
                }
                assert_eq!(from_bytes(&[&bytes[..], &[0]].concat()), None);
                let library = to_library(change);
                assert_eq!(library.get_changes().len(), 1);
                assert_eq!(library.get_changes()[0].node_id, peer.0);
            }
        }
        for bad in [&[0x12, 2, 0x10, 0][..], &[0x12, 3, 0x10, 0x81, 0], &[0x12, 4, 8, 3, 0x10, 1]] {
            assert_eq!(from_bytes(bad), None);
        }
    }
}
