//! The holder's side: until when may it answer reads without asking anybody?

/// Lease of this peer's session, as its holder may use it.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    valid_until_ms: u64,
}

impl Holder {
    pub fn new() -> Self {
        Self::default()
    }

    /// A grant arrived. `sent_ms` is when the request that it answers was about to be sent.
    /// Grants may arrive late or out of order: the lease never gets shorter by one.
    pub fn granted(&mut self, sent_ms: u64, duration_ms: u64) {
        self.valid_until_ms = self.valid_until_ms.max(sent_ms.saturating_add(duration_ms));
    }

    /// Released or refused: over at once.
    pub fn end(&mut self) {
        self.valid_until_ms = 0;
    }

    pub fn valid_until_ms(&self) -> u64 {
        self.valid_until_ms
    }

    pub fn is_valid(&self, now_ms: u64) -> bool {
        now_ms < self.valid_until_ms
    }

    /// When to renew: after a third of the lease, so that two attempts may fail.
    pub fn renew_at_ms(&self, duration_ms: u64) -> u64 {
        self.valid_until_ms.saturating_sub(duration_ms * 2 / 3)
    }
}
