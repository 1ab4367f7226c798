use shoal_types::PeerId;

use super::*;

const P: PeerId = PeerId(7);

/// The holder's clock may run 5 % slow while the granter's runs 5 % fast; real time is counted in
/// microseconds here so that both can be derived from it.
#[test]
fn holder_stops_before_granter_moves_on_under_worst_drift() {
    for duration_ms in [1u64, 20, 333, 1000, 4000, 60_000] {
        for delay_us in [0u64, 1, 1000, 900_000] {
            let mut holder = Holder::new();
            let mut granter = Granter::new(0, duration_ms);
            granter.release(P);
            let slow = |real_us: u64| real_us * 95 / 100_000;
            let fast = |real_us: u64| real_us * 105 / 100_000;
            let sent = 10_000_000;
            granter.grant(P, fast(sent + delay_us));
            holder.granted(slow(sent), duration_ms);
            for step in 0..4000u64 {
                let real = sent + step * duration_ms;
                let both = holder.is_valid(slow(real)) && granter.is_over(P, fast(real));
                assert!(!both, "two holders: duration {duration_ms} step {step}");
            }
        }
    }
}

#[test]
fn new_granter_waits_out_what_it_did_not_grant() {
    let mut granter = Granter::new(1000, 4000);
    assert!(!granter.is_over(P, 1000 + 4000));
    assert!(granter.is_over(P, 1000 + granter_wait_ms(4000)));
    granter.release(P);
    assert!(granter.is_over(P, 1001));
    granter.grant(P, 2000);
    assert!(!granter.is_over(P, 6000));
    assert_eq!(granter.expire(2000 + granter_wait_ms(4000)), [P]);
    assert!(granter.expire(u64::MAX).is_empty());
}

#[test]
fn late_grant_does_not_shorten() {
    let mut holder = Holder::new();
    holder.granted(500, 1000);
    holder.granted(100, 1000);
    assert!(holder.is_valid(1499));
    assert!(!holder.is_valid(1500));
    holder.end();
    assert!(!holder.is_valid(0));
}
