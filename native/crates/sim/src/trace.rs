//! The trace of a run: a hash always, text on request.

use std::fmt::Debug;

pub struct Trace {
    verbose: bool,
    hash: u64,
    events: u64,
    text: String,
}

/// Longest line shown.
const LINE_BYTES: usize = 400;

impl Trace {
    pub fn new(verbose: bool) -> Self {
        Self { verbose, hash: 0xCBF2_9CE4_8422_2325, events: 0, text: String::new() }
    }

    pub fn event(&mut self, now_us: u64, event: &impl Debug) {
        use std::fmt::Write;
        self.events += 1;
        self.text.clear();
        let _ = write!(Shortened(&mut self.text), "{event:?}");
        self.add(now_us);
    }

    pub fn note(&mut self, now_us: u64, text: impl FnOnce() -> String) {
        self.text = text();
        self.add(now_us);
    }

    fn add(&mut self, now_us: u64) {
        for byte in now_us.to_le_bytes().iter().chain(self.text.as_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if self.verbose {
            println!("{:>12.6} {}", now_us as f64 / 1e6, self.text);
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn events(&self) -> u64 {
        self.events
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
