//! The index: (PG, layer, chunk) → which cells hold the chunk's blocks, and their versions.

pub mod directory;
pub mod entry;
pub mod page;

pub use directory::Index;
pub use entry::{ChunkKey, Entry, Found, Group, Place, Stamp};
pub use page::Page;
