//! The trace of a run: a hash always, text on request.

use std::fmt::{Debug, Write as _};
use std::hash::{Hash, Hasher};
use std::io::Write as _;

pub struct Trace {
    verbose: bool,
    hash: Fnv,
    events: u64,
}

/// Longest line shown.
const LINE_BYTES: usize = 400;

impl Trace {
    pub fn new(verbose: bool) -> Self {
        Self { verbose, hash: Fnv(0xCBF2_9CE4_8422_2325), events: 0 }
    }

    /// `mark`: what tells this event from others; formatting each would cost more than the rest.
    pub fn event(&mut self, now_us: u64, event: &impl Debug, mark: impl Hash) {
        self.events += 1;
        (now_us, mark).hash(&mut self.hash);
        if self.verbose {
            let mut text = String::new();
            let _ = write!(Shortened(&mut text), "{event:?}");
            print_line(now_us, &text);
        }
    }

    pub fn note(&mut self, now_us: u64, text: impl FnOnce() -> String) {
        if self.verbose {
            print_line(now_us, &text());
        }
    }

    pub fn mix(&mut self, mark: impl Hash) {
        mark.hash(&mut self.hash);
    }

    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    pub fn events(&self) -> u64 {
        self.events
    }
}

fn print_line(now_us: u64, text: &str) {
    // A reader that went away (`| head`) ends the listing, not the run.
    let _ = writeln!(std::io::stdout(), "{:>12.6} {text}", now_us as f64 / 1e6);
}

/// FNV-1a: the same in every process.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Takes what fits on a line; the bytes of blocks would fill pages.
struct Shortened<'a>(&'a mut String);

impl std::fmt::Write for Shortened<'_> {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        if self.0.len() + part.len() > LINE_BYTES {
            // Ends the formatting early: nothing of the rest is shown.
            return Err(std::fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}
