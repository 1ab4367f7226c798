//! One table holds both languages to the same bits: TypeScript reads this file too.

use shoal_types::{LineageId, placement_hash};

const GOLDEN: &str = include_str!("../../../../test/golden/placement-hash.json");

/// The file has one case per line: `{"lineage": "…", "extent": "…", "hash": …, "pgs": …, "pg": …}`.
fn field(line: &str, name: &str) -> u64 {
    let key = format!("\"{name}\": ");
    let start = line.find(&key).unwrap_or_else(|| panic!("no {name} in {line}")) + key.len();
    let digits: String =
        line[start..].trim_start_matches('"').chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{name} is no number in {line}"))
}

#[test]
fn every_case_of_the_golden_file_hashes_the_same() {
    let mut cases = 0;
    for line in GOLDEN.lines().filter(|line| line.contains("lineage")) {
        let lineage = LineageId(field(line, "lineage"));
        let extent = field(line, "extent");
        let hash = placement_hash::extent_hash(lineage, extent);
        let pg = placement_hash::pg_index(lineage, extent, field(line, "pgs") as u32);
        assert_eq!(u64::from(hash), field(line, "hash"), "{line}");
        assert_eq!(u64::from(pg), field(line, "pg"), "{line}");
        cases += 1;
    }
    assert!(cases >= 100, "only {cases} cases");
}
