use std::path::PathBuf;

use shoal_meta::state::{Address, AddressRole, Domains, Genesis, NewPeer};
use shoal_store::Identity;

use super::*;

fn peer(name: &str, key: u8) -> NewPeer {
    let address = Address { role: AddressRole::Data, address: "10.0.0.1:1".into() };
    NewPeer {
        name: name.into(),
        public_key: Hex([key; 32]),
        addresses: vec![address],
        domains: Domains::default(),
        witness: false,
    }
}

fn state(cluster: u8) -> ClusterState {
    ClusterState::genesis(Genesis {
        cluster_id: Hex([cluster; 16]),
        name: "test".into(),
        authority_key: Hex([2; 32]),
        time_ms: 1,
        peer: peer("p1", 1),
    })
    .unwrap()
}

fn newer(mut state: ClusterState, entries: u64) -> ClusterState {
    for _ in 0..entries {
        state.apply_empty(state.index() + 1);
    }
    state
}

fn disk(n: u64, cluster: u8, kept: Result<ClusterState, &str>) -> Found {
    let identity = Identity {
        cluster_id: [cluster; 16],
        disk: DiskId(n),
        store_uuid: [n as u8; 16],
        incarnation: 1,
    };
    let kept = kept.map(Box::new).map_err(str::to_owned);
    Found { path: PathBuf::from(format!("/dev/d{n}")), identity, kept }
}

#[test]
fn the_newest_of_one_cluster_is_chosen_whatever_the_order() {
    let old = state(1);
    let new = newer(state(1), 5);
    let mut found =
        vec![disk(1, 1, Ok(old.clone())), disk(2, 1, Ok(new.clone())), disk(3, 1, Err("torn"))];
    for _ in 0..3 {
        found.rotate_left(1);
        assert_eq!(choose(&found).unwrap().index(), new.index());
    }
    let (next, _) = old.restored_by(peer("p2", 3), Hex([9; 32]), 1).unwrap();
    found.push(disk(4, 1, Ok(next)));
    assert_eq!(choose(&found).unwrap().incarnation(), 2, "a later incarnation is newer");
    let view = view(&found, choose(&found).unwrap(), &[]);
    assert_eq!(view["older"].as_array().unwrap().len(), 3);
    assert_eq!(view["unknown"].as_array().unwrap().len(), 4, "none is a disk of that state");
}

#[test]
fn what_is_ambiguous_is_refused_by_name() {
    let mixed = [disk(1, 1, Ok(state(1))), disk(2, 7, Err("no state"))];
    let refused = choose(&mixed).unwrap_err();
    assert!(matches!(&refused, Refused::Mixed(which) if which.len() == 2));
    assert!(refused.to_string().contains("/dev/d2"));
    let twice = [disk(1, 1, Ok(state(1))), disk(1, 1, Err("torn"))];
    assert!(matches!(choose(&twice).unwrap_err(), Refused::Twice { disk: DiskId(1), .. }));
    let none = [disk(1, 1, Err("torn")), disk(2, 1, Err("too small"))];
    let refused = choose(&none).unwrap_err().to_string();
    assert!(refused.contains("/dev/d1: torn") && refused.contains("/dev/d2: too small"));
    assert_eq!(choose(&[]).unwrap_err(), Refused::NoState(vec![]));
}

#[test]
fn two_recoveries_that_went_on_apart_are_told_from_each_other() {
    let one = state(1).restored_by(peer("a", 3), Hex([9; 32]), 1).unwrap().0;
    let other = state(1).restored_by(peer("b", 4), Hex([8; 32]), 1).unwrap().0;
    let found = [disk(1, 1, Ok(one)), disk(2, 1, Ok(newer(other, 3))), disk(3, 1, Ok(state(1)))];
    assert!(matches!(choose(&found).unwrap_err(), Refused::Split(paths) if paths.len() == 2));
    assert_eq!(choose(&found[1..]).unwrap().incarnation(), 2);
}
