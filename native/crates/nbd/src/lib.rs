//! NBD without I/O: the server's side of one connection (`Connection`), and the set-up of the
//! kernel's nbd client over netlink (`kernel`). Formats and refusals: docs/formats/nbd.md.

mod admission;
mod connection;
mod constants;
mod error;
mod export;
mod flights;
mod input;
pub mod kernel;
mod limits;
mod negotiation;
mod option;
mod outbox;
mod reply;
mod request;

pub use connection::Connection;
pub use error::{CloseReason, Errno, Violation};
pub use export::{BlockSizes, Export, ExportEntry, Exports, LookupError};
pub use limits::Limits;
pub use reply::{Extent, ReadPart};
pub use request::{Command, Event, Request, Tag};
