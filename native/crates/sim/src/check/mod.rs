//! Checkers: what must be true of a history and of the stores.

mod linear;
pub mod value;

pub use linear::{Action, Register, is_linearizable};
