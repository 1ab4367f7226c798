//! What one peer makes of the cluster state, and what it asks of the cluster. Pure: the data process
//! and the simulator act on the same answers.

mod heads;
mod rejoins;
mod stores;
mod tokens;
mod views;

pub use heads::{
    attached_to, head_config, head_reads, is_remembered_as_fenced, is_taken_over, orphaned_heads,
};
pub use rejoins::Rejoins;
pub use stores::{
    admitted, cancel_join, doomed_layers, has_changed, is_doomed, is_filled, is_joining, is_out,
    join_of, known_layers, last_in_sync, owner_of_layer, report_kind, restart_join, set_down,
};
pub use tokens::token_expiry_ms;
pub use views::{all_views, changed_views, views_of};

#[cfg(test)]
mod tests;
