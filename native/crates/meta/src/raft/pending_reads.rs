//! Reads whose index is confirmed, waiting until it is applied.

#[derive(Clone, Debug, Default)]
pub struct PendingReads {
    waiting: Vec<(u64, u64)>,
}

impl PendingReads {
    pub fn confirmed(&mut self, index: u64, context: &[u8]) {
        // Contexts are ours; another length cannot come back from the library.
        let context: [u8; 8] = context.try_into().expect("a read's context is a u64");
        self.waiting.push((index, u64::from_le_bytes(context)));
    }

    /// Contexts of the reads that a state at `applied` may answer, in the order asked.
    pub fn ready(&mut self, applied: u64) -> Vec<u64> {
        let (ready, waiting) = self.waiting.iter().partition(|(index, _)| *index <= applied);
        self.waiting = waiting;
        let ready: Vec<(u64, u64)> = ready;
        ready.into_iter().map(|(_, context)| context).collect()
    }
}
