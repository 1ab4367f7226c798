//! Answers of the newest proposals, so that a retry is answered and not applied again.

use std::collections::VecDeque;

use super::limits::{ANSWER_BYTES_MAX, ANSWERS_MAX};
use super::outcome::Outcome;
use crate::codec::{Codec, DecodeError, Reader, decode, encode};
use crate::hex::ProposalId;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bounded by count and by bytes; the oldest are forgotten first. A retry must come before that.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    order: VecDeque<(ProposalId, Bytes)>,
    by_id: BTreeMap<ProposalId, Bytes>,
    bytes: usize,
}

impl Answers {
    pub fn get(&self, id: ProposalId) -> Option<Outcome> {
        self.by_id.get(&id).map(|bytes| decode(bytes).expect("encoded by remember"))
    }

    pub fn remember(&mut self, id: ProposalId, outcome: &Outcome) {
        self.push(id, encode(outcome).into());
        while self.order.len() > ANSWERS_MAX || self.bytes > ANSWER_BYTES_MAX {
            if self.order.len() == 1 {
                break;
            }
            let (oldest, bytes) = self.order.pop_front().expect("longer than one");
            self.bytes -= bytes.len();
            self.by_id.remove(&oldest);
        }
    }

    fn push(&mut self, id: ProposalId, bytes: Bytes) {
        self.bytes += bytes.len();
        self.by_id.insert(id, bytes.clone());
        self.order.push_back((id, bytes));
    }
}

impl Codec for Answers {
    fn put(&self, out: &mut Vec<u8>) {
        self.order.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut answers = Self::default();
        let order: VecDeque<(ProposalId, Bytes)> = Codec::get(reader)?;
        for (id, bytes) in order {
            let _: Outcome = decode(&bytes)?;
            if answers.by_id.contains_key(&id) {
                return Err(DecodeError::Malformed { what: "answers" });
            }
            answers.push(id, bytes);
        }
        Ok(answers)
    }
}
