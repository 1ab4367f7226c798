//! The search of all orders, and walks through them, in the smallest world (`small`), from
//! prepared starts (`starts`): what long runs of large worlds meet too seldom.

mod checks;
mod explore;
mod prepared;
mod small;
mod starts;

pub use explore::{Found, explore, small_budgets, walk, walk_from};
pub use prepared::PREPARED;
pub use small::Budget;
pub use starts::STARTS;
