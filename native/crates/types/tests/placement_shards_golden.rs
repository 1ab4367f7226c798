//! The rotation of shards against the table that TypeScript reads as well.

use shoal_types::placement_shards::{position_of, shard_at};

const GOLDEN: &str = include_str!("../../../../test/golden/placement-shards.json");

#[test]
fn every_case_of_the_golden_file() {
    let mut cases = 0;
    for line in GOLDEN.lines().filter(|line| line.contains("width")) {
        let number = |key: &str| -> u64 {
            let rest = &line[line.find(key).unwrap() + key.len()..];
            let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
            digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap()].parse().unwrap()
        };
        let (width, stripe) = (number("\"width\":") as u8, number("\"stripe\":"));
        let list = &line[line.find('[').unwrap() + 1..line.find(']').unwrap()];
        let shards: Vec<u8> = list.split(", ").map(|shard| shard.parse().unwrap()).collect();
        assert_eq!(shards.len(), usize::from(width));
        for (position, shard) in (0..).zip(shards) {
            assert_eq!(shard_at(position, stripe, width), shard, "{line}");
            assert_eq!(position_of(shard, stripe, width), position, "{line}");
        }
        cases += 1;
    }
    assert!(cases >= 70);
}
