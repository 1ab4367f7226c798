//! Time from an extent to its members: `cargo run --release -p shoal-types --example placement_lookup`.

use shoal_types::LineageId;
use shoal_types::placement_hash::pg_index;

const PGS: u32 = 65_536;
const WIDTH: usize = 3;
const LOOK_UPS: u64 = 200_000;
/// Of so many the fastest: others use the machine too.
const RUNS: u32 = 500;

#[allow(clippy::disallowed_methods)] // It measures.
fn main() {
    let slots: Vec<u16> = (0..PGS * WIDTH as u32).map(|i| (i * 7 % 10_000) as u16).collect();
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = std::time::Instant::now();
        let mut sum = 0u64;
        for extent in 0..LOOK_UPS {
            let first = pg_index(LineageId(12_345), extent, PGS) as usize * WIDTH;
            sum += slots[first..first + WIDTH].iter().map(|disk| u64::from(*disk)).sum::<u64>();
        }
        assert!(std::hint::black_box(sum) > 0);
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("{:.1} ns per look-up", best * 1e9 / LOOK_UPS as f64);
}
