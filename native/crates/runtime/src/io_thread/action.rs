//! What front ends ask of their thread, and what they tell it about an operation that ended.

use shoal_engine::head::ClientOp;

use super::message::MovedClient;
use super::{HeadKey, OpKind};

pub enum FrontAction {
    Ask {
        head: HeadKey,
        op_id: u64,
        op: ClientOp,
    },
    /// Hand an NBD client over to the I/O thread of this index.
    Move {
        thread: usize,
        client: Box<MovedClient>,
    },
}

/// What a completed request was, for metrics.
pub struct Completed {
    pub kind: OpKind,
    pub offset: u64,
    pub length: u64,
}
